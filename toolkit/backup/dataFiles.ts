import { createHash } from "node:crypto";
import { mkdir, open, readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { UserError } from "../errors.ts";
import { bufferSize, type CopiedFile, copiesAtOnce, copyFile } from "../server/copy.ts";
import { originFile } from "../server/finalBackup.ts";

/** What a copy of a running server's data folder leaves out: the server makes each of these anew. */
// https://www.postgresql.org/docs/current/protocol-replication.html#PROTOCOL-REPLICATION-BASE-BACKUP
const emptied = new Set([
  "pg_dynshmem",
  "pg_notify",
  "pg_replslot",
  "pg_serial",
  "pg_snapshots",
  "pg_stat_tmp",
  "pg_subtrans",
  // Copied at the end, as much of it as the backup needs.
  "pg_wal",
]);
const leftOut = new Set([
  "backup_label",
  "backup_manifest",
  "current_logfiles.tmp",
  originFile,
  "pg_internal.init",
  "postgresql.auto.conf.tmp",
  "postmaster.opts",
  "postmaster.pid",
  "tablespace_map",
]);
const temporary = /^(pgsql_tmp|pg_internal\.init\.|t\d+_\d+)/;
// Written last of all: it names the checkpoint from which a recovery without a backup label would start.
const controlFile = "global/pg_control";

/** Folders and files of a data folder that a copy takes, with the bytes of now. */
export interface DataFiles {
  folders: string[];
  files: string[];
  bytes: number;
}

/**
 * Lists what a copy takes. The server goes on working: what goes in the meantime, goes.
 * @throws UserError for a link inside the folder, which a copy would not make whole
 */
export async function listDataFiles(data: string): Promise<DataFiles> {
  const found: DataFiles = { folders: [], files: [], bytes: 0 };
  async function walk(folder: string): Promise<void> {
    for (const entry of await present(readdir(join(data, folder), { withFileTypes: true }), [])) {
      const path = folder ? `${folder}/${entry.name}` : entry.name;
      if (leftOut.has(entry.name) || temporary.test(entry.name)) continue;
      if (emptied.has(path)) found.folders.push(path);
      else if (entry.isDirectory()) {
        found.folders.push(path);
        await walk(path);
      } else if (entry.isFile()) {
        found.files.push(path);
        found.bytes += (await present(stat(join(data, path)), { size: 0 })).size;
      } else
        throw new UserError(`the data folder is not whole without what ${join(data, path)} leads to`, {
          why: "It is no plain file. A copy would not hold it.",
          fix: "Move it back into the data folder, or do without the backup (database:backupBefore: false).",
        });
    }
  }
  await walk("");
  return found;
}

/**
 * Copies the files of a running server: each as it is when it is read, to be put right by the write-ahead log.
 * @param onBytes hears how many bytes are done
 * @returns what was read, by path
 */
export async function copyDataFiles(
  data: string,
  target: string,
  { folders, files }: DataFiles,
  onBytes: (done: number) => void,
): Promise<Map<string, CopiedFile>> {
  for (const folder of ["", ...folders]) await mkdir(join(target, folder), { mode: 0o700 });
  const copied = new Map<string, CopiedFile>();
  const most = files.filter((path) => path !== controlFile);
  let [next, bytes] = [0, 0];
  async function copySome(): Promise<void> {
    const buffer = Buffer.allocUnsafe(bufferSize);
    for (let index = next++; index < most.length; index = next++) {
      const path = most[index]!;
      const file = await present(copyFile(join(data, path), join(target, path), { buffer }), undefined);
      if (!file) continue;
      copied.set(path, file);
      bytes += file.bytes;
      onBytes(bytes);
    }
  }
  await Promise.all(Array.from({ length: copiesAtOnce }, copySome));
  const buffer = Buffer.allocUnsafe(bufferSize);
  copied.set(controlFile, await copyFile(join(data, controlFile), join(target, controlFile), { buffer }));
  return copied;
}

/** Copies segments of the write-ahead log out of `pg_wal`, which may itself be a link. */
export async function copyWal(data: string, target: string, segments: string[]): Promise<Map<string, CopiedFile>> {
  const copied = new Map<string, CopiedFile>();
  const buffer = Buffer.allocUnsafe(bufferSize);
  // A server that was promoted once needs the histories of its timelines.
  const histories = (await readdir(join(data, "pg_wal"))).filter((name) => name.endsWith(".history"));
  for (const name of [...segments, ...histories]) {
    const path = `pg_wal/${basename(name)}`;
    copied.set(path, await copyFile(join(data, path), join(target, path), { buffer }));
  }
  return copied;
}

/** Writes a text to a new file in a copy, and returns it as one that was copied. */
export async function addFile(target: string, path: string, text: string): Promise<CopiedFile> {
  const handle = await open(join(target, path), "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { bytes: Buffer.byteLength(text), sha256: createHash("sha256").update(text).digest("hex") };
}

/** A file that a running server removed between two looks is not missed: the log tells of it. */
async function present<T, U>(work: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return otherwise;
    throw error;
  }
}
