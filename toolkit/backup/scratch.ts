import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Connection } from "../connection.ts";
import { messageOf, UserError } from "../errors.ts";
import { type Cluster, initCluster } from "../server/cluster.ts";
import { startServer } from "../server/control.ts";
import { writePrivate } from "../server/files.ts";
import { restoreBackup } from "../server/finalBackup.ts";
import { clusterIn, makeScratchFolder, removeScratchFolder } from "../server/scratchFolder.ts";
import { serverUser } from "../server/systemUser.ts";
import { cleaningUp } from "./interrupt.ts";
import { findServer } from "./programs.ts";
import { renderConfiguration } from "./scratchSettings.ts";

/** A server of the verification's own, that nobody else can enter. */
export interface Scratch {
  /** How its superuser enters one of its databases. */
  connectionTo(database: string): Connection;
}

const prefix = "postgres-from-code-verify-";
const port = 5432;

/**
 * Runs `work` with a throw-away server, which listens on a socket in a folder of its own only: without a network and
 * without a password. It is removed afterwards; one that a killed run left, too.
 * @param source the folder of a physical backup that it starts from, or "empty"
 * @throws UserError where this machine has no PostgreSQL of that version, or the server does not come up
 */
export async function withScratchServer<T>(
  options: { major: string; superuser: string; source: string; say: (line: string) => void },
  work: (scratch: Scratch) => Promise<T>,
): Promise<T> {
  const user = await serverUser();
  const binaries = await findServer(options.major, user);
  const folder = await makeScratchFolder(prefix, binaries, user);
  const cluster = clusterIn(folder, binaries, user);
  const connectionTo = (database: string): Connection => ({
    host: folder,
    port,
    database,
    user: options.superuser,
    password: "",
    ssl: false,
  });
  return cleaningUp(
    async () => {
      await makeData(cluster, options);
      await start(cluster, folder, options);
      return work({ connectionTo });
    },
    () => removeScratchFolder(folder, binaries, user),
  );
}

async function makeData(cluster: Cluster, { source }: { source: string }): Promise<void> {
  const partial = `${cluster.data}.partial`;
  if (source !== "empty") return restoreBackup(cluster, source, partial);
  const password = randomBytes(18).toString("base64url");
  return initCluster(cluster, { partial, password, sync: false });
}

async function start(
  cluster: Cluster,
  folder: string,
  { source, say }: { source: string; say: (line: string) => void },
): Promise<void> {
  // Its own configuration came along: it may name libraries, addresses and paths that are not here.
  for (const [name, text] of Object.entries(renderConfiguration({ socketFolder: folder, port })))
    await writePrivate(join(cluster.data, name), text, cluster.user);
  await rm(join(cluster.data, "postgresql.auto.conf"), { force: true });
  if (source !== "empty") say("starting a scratch server from the copy");
  try {
    await startServer(cluster);
  } catch (error) {
    if (source === "empty") throw error;
    throw new UserError("no server starts from the backup", {
      why: whyOf(error),
      fix: "Make another backup: toolkit backups create.",
      cause: error,
    });
  }
}

/** What the server's log said; where the log is does not help, for it goes with the server. */
function whyOf(error: unknown): string {
  return /\n {2}why: ([\s\S]*?)(\n {2}fix: |$)/.exec(messageOf(error))?.[1] ?? messageOf(error);
}
