import { mkdir, readdir, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { messageOf, UserError } from "../errors.ts";
import { type Cluster, readCluster } from "./cluster.ts";
import { copyTree, type TreeDigest, treeSize } from "./copy.ts";
import { removeTree, renameDurably, syncFolder, writePrivate } from "./files.ts";
import type { Place } from "./place.ts";

/** What is written beside the copy of a data folder. */
export interface Manifest extends TreeDigest {
  format: 1;
  /** UTC, ISO 8601. */
  madeAt: string;
  /** The major version of PostgreSQL that can run it. */
  major: string;
  systemIdentifier: string;
}

export const manifestFile = "manifest.json";
// In a restored data folder: the manifest of the backup that it came from, and that backup's name.
export const originFile = "restored-from.json";
export const draftPrefix = ".draft-";
// They name a process that is gone in the copy.
const notCopied = ["postmaster.pid", "postmaster.opts", originFile];
const MB = 1024 ** 2;

/**
 * Copies the data folder of a stopped server to `backups/final-<UTC time>`, complete or not at all: made under another
 * name, on disk before it is renamed. A backup that is there already and holds the same state is taken instead.
 * @returns the backup's name inside the folder of backups
 * @throws UserError when it cannot be made; the data stays as it is
 */
export async function makeFinalBackup(place: Place): Promise<string> {
  await mkdir(place.backups, { recursive: true, mode: 0o700 });
  for (const name of await readdir(place.backups))
    if (name.startsWith(draftPrefix)) await removeTree(join(place.backups, name));
  const same = await backupOfSameState(place);
  if (same) return same;
  const facts = (await readCluster(place.data))!;
  const madeAt = new Date().toISOString();
  const name = `final-${madeAt.replace(/[-:]|\.\d+/g, "")}`;
  const draft = join(place.backups, `${draftPrefix}${name}`);
  try {
    await mkdir(draft, { mode: 0o700 });
    const target = join(draft, "data");
    const digest = await copyTree(place.data, { target, title: "copying the final backup", skip: notCopied });
    const { major, systemIdentifier } = facts;
    const manifest: Manifest = { format: 1, madeAt, major, systemIdentifier, ...digest };
    await writePrivate(join(draft, manifestFile), `${JSON.stringify(manifest, null, 2)}\n`, undefined);
    await syncFolder(draft);
    await requireWhole(draft, manifest);
    await renameDurably(draft, join(place.backups, name));
  } catch (error) {
    await removeTree(draft);
    throw new UserError("the final backup cannot be made: the data stays", {
      why: messageOf(error),
      fix: "Put that right, or do without a backup: `up -c database:finalBackup=false`, then destroy.",
      cause: error,
    });
  }
  return name;
}

/** A killed destroy may have made the backup and not yet removed the data: the control file tells one state of all. */
async function backupOfSameState(place: Place): Promise<string | undefined> {
  if (!(await readCluster(place.data))?.shutDown) return undefined;
  const control = await readFile(join(place.data, "global/pg_control"));
  for (const name of (await readdir(place.backups)).sort().reverse()) {
    const folder = join(place.backups, name);
    const other = await readFile(join(folder, "data/global/pg_control")).catch(() => undefined);
    if (!other?.equals(control)) continue;
    try {
      await requireWhole(folder, await readManifest(folder));
      return name;
    } catch {
      // Somebody damaged it: make another one.
    }
  }
  return undefined;
}

/**
 * Reads the manifest of a backup and looks whether the copy has all of its files.
 * @throws UserError when the folder is no final backup, or not a whole one
 */
export async function readBackup(folder: string): Promise<Manifest> {
  const manifest = await readManifest(resolve(folder));
  await requireWhole(resolve(folder), manifest);
  return manifest;
}

async function readManifest(folder: string): Promise<Manifest> {
  const what = `${folder} is not a final backup`;
  const fix = "Give the folder that `destroy` printed: .local/<stack>/backups/final-<time>.";
  let text: string;
  let isDump = false;
  try {
    text = await readFile(join(folder, manifestFile), "utf8");
  } catch (error) {
    throw new UserError(what, { why: messageOf(error), fix });
  }
  try {
    const manifest = JSON.parse(text) as Manifest & { method?: string };
    if (manifest.method === "dump") isDump = true;
    else if (manifest.format === 1) return manifest;
  } catch {
    // Said below.
  }
  if (isDump)
    throw new UserError(`${folder} is a dump: no server starts from it`, {
      fix: `Restore it into a new database: toolkit backups restore ${basename(folder)} --database NAME.`,
    });
  throw new UserError(what, { why: `Its ${manifestFile} is not in the form that this version writes.`, fix });
}

async function requireWhole(folder: string, manifest: Manifest): Promise<void> {
  const size = await treeSize(join(folder, "data")).catch((error) => ({ error: messageOf(error) }));
  if (!("error" in size) && size.files === manifest.files && size.bytes === manifest.bytes) return;
  const found = "error" in size ? size.error : `It has ${size.files} files of ${size.bytes} bytes.`;
  throw damaged(folder, `Its manifest counts ${manifest.files} files of ${manifest.bytes} bytes. ${found}`);
}

const damaged = (folder: string, why: string) =>
  new UserError(`the backup ${folder} is not whole`, { why, fix: "Use another backup." });

/**
 * Makes a data folder out of a backup, and compares all that it reads with the backup's checksum.
 * @param partial where the folder is made before it is complete
 * @throws UserError when the backup was changed since it was made; nothing is left of the copy then
 */
export async function restoreBackup(
  cluster: Pick<Cluster, "data" | "user">,
  folder: string,
  partial: string,
): Promise<void> {
  const source = resolve(folder);
  const manifest = await readBackup(source);
  console.log(`restoring ${Math.ceil(manifest.bytes / MB)} MB from the backup of ${manifest.madeAt}`);
  try {
    const title = "restoring the backup";
    const digest = await copyTree(join(source, "data"), { target: partial, title, user: cluster.user });
    if (digest.sha256 !== manifest.sha256)
      throw damaged(source, "What its files hold is not what the manifest's checksum says.");
    const origin = { ...manifest, name: basename(source) };
    await writePrivate(join(partial, originFile), `${JSON.stringify(origin, null, 2)}\n`, cluster.user);
    await renameDurably(partial, cluster.data);
  } catch (error) {
    await removeTree(partial);
    throw error;
  }
}

/** Whether a data folder came from a backup, which may have been moved or removed in the meantime. */
export async function isRestoredFrom(data: string, folder: string): Promise<boolean> {
  const text = await readFile(join(data, originFile), "utf8").catch(() => undefined);
  if (text === undefined) return false;
  const origin = JSON.parse(text) as Manifest & { name: string };
  const manifest = await readManifest(resolve(folder)).catch(() => undefined);
  return manifest
    ? manifest.sha256 === origin.sha256 && manifest.madeAt === origin.madeAt
    : origin.name === basename(resolve(folder));
}
