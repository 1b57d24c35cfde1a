import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Cluster, readCluster } from "./cluster.ts";
import { writePrivate } from "./files.ts";

/*
 * Which resource a data folder belongs to. The system identifier alone does not tell: a restored backup has that of
 * its origin, and a replacement (`up --replace`) creates, and so adopts, before it deletes what it adopted.
 */

const ownerFile = "stack.id";

/** A new id for the resource of a data folder: its system identifier, and which creation this was. */
export async function newOwner(data: string): Promise<string> {
  const { systemIdentifier } = (await readCluster(data))!;
  return `${systemIdentifier}-${randomBytes(4).toString("hex")}`;
}

/** Notes in a data folder to which resource it belongs. */
export async function setOwner({ data, user }: Cluster, id: string): Promise<void> {
  const file = join(data, ownerFile);
  if ((await readFile(file, "utf8").catch(() => "")).trim() !== id) await writePrivate(file, `${id}\n`, user);
}

/** The system identifier of a resource's server. */
export function systemIdentifierIn(id: string): string {
  return id.split("-")[0]!;
}

/** Whether a data folder belongs to a resource; where none is noted, the system identifier decides. */
export async function isOwnedBy(data: string, id: string): Promise<boolean> {
  if ((await readCluster(data))?.systemIdentifier !== systemIdentifierIn(id)) return false;
  const owner = (await readFile(join(data, ownerFile), "utf8").catch(() => "")).trim();
  return owner === "" || owner === id;
}
