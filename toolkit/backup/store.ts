import { mkdir, readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { UserError } from "../errors.ts";
import type { TreeDigest } from "../server/copy.ts";
import { removeTree, renameDurably, syncFolder, writePrivate } from "../server/files.ts";
import { draftPrefix, manifestFile } from "../server/finalBackup.ts";
import { withLock } from "../server/lock.ts";
import type { Backup } from "./backup.ts";

/*
 * Backups on this machine: a folder each, with manifest.json beside the data. A physical backup has the format of a
 * destroyed server's final backup (toolkit/server/finalBackup.ts), so that a server starts from either.
 */

/** What is written beside the data: {@link Backup}, and what a final backup's manifest has. */
export interface Manifest extends Backup, TreeDigest {
  format: 1;
  madeAt: string;
  major: string;
  /** The role that initdb made. */
  superuser: string;
}

/** The file of a dump, in pg_dump's custom format. */
export const dumpFile = "database.dump";
/** The folder of a physical backup. */
export const dataFolder = "data";

const lockFile = ".backups.lock";
const finalPrefix = "final-";

/** Whether a backup is the last of a server that was destroyed: only its owner removes it. */
export function isFinal(id: string): boolean {
  return id.startsWith(finalPrefix);
}

/** Runs `work` while no other process makes or removes backups in a folder; partial ones of killed runs go first. */
export async function withBackupFolder<T>(directory: string, work: () => Promise<T>): Promise<T> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return withLock(join(directory, lockFile), async () => {
    for (const name of await readdir(directory))
      if (name.startsWith(draftPrefix)) await removeTree(join(directory, name));
    return work();
  });
}

/**
 * Makes a backup's folder, complete or not at all: under another name until everything is on disk.
 * @param fill writes the data into the folder and returns the manifest
 */
export async function addBackup(
  directory: string,
  id: string,
  fill: (draft: string) => Promise<Manifest>,
): Promise<Backup> {
  const draft = join(resolve(directory), `${draftPrefix}${id}`);
  try {
    await mkdir(draft, { mode: 0o700 });
    const manifest = await fill(draft);
    await writePrivate(join(draft, manifestFile), `${JSON.stringify(manifest, null, 2)}\n`, undefined);
    await syncFolder(draft);
    await renameDurably(draft, join(directory, id));
    return backupOf(id, manifest);
  } catch (error) {
    await removeTree(draft);
    throw error;
  }
}

/** The backups in a folder, the oldest first; none where there is no folder. */
export async function readBackups(directory: string): Promise<Backup[]> {
  const names = await readdir(directory).catch(() => []);
  const found: Backup[] = [];
  for (const name of names) {
    if (name.startsWith(".")) continue;
    const manifest = await manifestIn(join(directory, name));
    if (manifest) found.push(backupOf(name, manifest));
  }
  return found.sort((one, other) => compare(one.finishedAt, other.finishedAt) || compare(one.id, other.id));
}

/**
 * The manifest of one backup.
 * @throws UserError where there is no such backup
 */
export async function readManifest(directory: string, id: string): Promise<Manifest> {
  // An id is a name, never a way out of the folder.
  const manifest = /^[\w-]+$/.test(id) ? await manifestIn(join(directory, id)) : undefined;
  if (!manifest) throw unknownBackup(id, (await readBackups(directory)).at(-1)?.id);
  return { ...manifest, ...backupOf(id, manifest) };
}

/** @param newest the id of the newest backup, if there is one */
export function unknownBackup(id: string, newest: string | undefined): UserError {
  return new UserError(`there is no backup ${id}`, {
    fix: newest
      ? `\`toolkit backups list\` shows those that there are; the newest is ${newest}.`
      : "There is none at all yet: `toolkit backups create` makes one.",
  });
}

async function manifestIn(folder: string): Promise<Manifest | undefined> {
  try {
    const manifest = JSON.parse(await readFile(join(folder, manifestFile), "utf8")) as Manifest;
    return manifest.format === 1 ? manifest : undefined;
  } catch {
    return undefined;
  }
}

/** A final backup records less than the others: what it does not tell is empty. */
function backupOf(id: string, manifest: Partial<Manifest> & Pick<Manifest, "madeAt" | "bytes">): Backup {
  return {
    id,
    method: manifest.method ?? "physical",
    reason: manifest.reason ?? "the server was destroyed",
    startedAt: manifest.startedAt ?? manifest.madeAt,
    finishedAt: manifest.finishedAt ?? manifest.madeAt,
    bytes: manifest.bytes,
    serverVersion: manifest.serverVersion ?? manifest.major ?? "",
    systemIdentifier: manifest.systemIdentifier ?? "",
    database: manifest.database ?? "",
    fingerprint: manifest.fingerprint ?? "",
    head: manifest.head ?? "",
    rows: manifest.rows ?? {},
    bounds: manifest.bounds ?? {},
  };
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
