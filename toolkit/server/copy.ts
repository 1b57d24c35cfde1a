import { createHash } from "node:crypto";
import { chown, mkdir, open, readdir, stat, statfs } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { UserError } from "../errors.ts";
import { syncFolder } from "./files.ts";
import type { SystemUser } from "./systemUser.ts";

/** What a tree of files is, by content: equal for equal trees, wherever they are. */
export interface TreeDigest {
  files: number;
  bytes: number;
  sha256: string;
}

/** One file as it was read. */
export interface CopiedFile {
  bytes: number;
  sha256: string;
}

/** How much of a file is read at once. */
export const bufferSize = 1024 * 1024;
/** As many as Node has threads for files: their writes to disk are gathered. */
export const copiesAtOnce = 4;
const progressInterval = 5_000;
const [MB, spare] = [1024 ** 2, 64 * 1024 ** 2];

/**
 * Copies a folder, each file read once and on disk when this returns.
 * @param options.target must not exist; its folders and files belong to `user` and to nobody else
 * @param options.skip paths inside the folder that are left out
 * @throws UserError for a link inside the folder, which a copy would not make whole, and for a lack of space
 */
export async function copyTree(
  source: string,
  options: { target: string; title: string; user?: SystemUser | undefined; skip?: string[] },
): Promise<TreeDigest> {
  const { target, user } = options;
  const { folders, files } = await listTree(source, options.skip);
  const total = await sizeOf(source, files);
  await requireSpace(dirname(target), total);
  for (const folder of ["", ...folders]) {
    await mkdir(join(target, folder), { mode: 0o700 });
    if (user) await chown(join(target, folder), user.uid, user.gid);
  }
  const read = new Map<string, CopiedFile>();
  let [next, bytes, told] = [0, 0, Date.now()];
  async function copySome(): Promise<void> {
    const buffer = Buffer.allocUnsafe(bufferSize);
    for (let index = next++; index < files.length; index = next++) {
      const path = files[index]!;
      const copied = await copyFile(join(source, path), join(target, path), { buffer, user });
      read.set(path, copied);
      bytes += copied.bytes;
      if (Date.now() - told < progressInterval) continue;
      told = Date.now();
      console.log(`${options.title}: ${Math.floor((bytes / total) * 100)} % of ${Math.round(total / MB)} MB`);
    }
  }
  await Promise.all(Array.from({ length: copiesAtOnce }, copySome));
  for (const folder of ["", ...folders]) await syncFolder(join(target, folder));
  return digestOf(folders, read);
}

/** The digest of a tree whose files were read one by one; paths are relative, with slashes. */
export function digestOf(folders: readonly string[], files: ReadonlyMap<string, CopiedFile>): TreeDigest {
  const paths = [...files.keys()].sort();
  const lines = paths.map((path) => `${path}\t${files.get(path)!.bytes}\t${files.get(path)!.sha256}`);
  const text = [...folders.toSorted().map((folder) => `${folder}/`), ...lines].join("\n");
  const bytes = [...files.values()].reduce((sum, file) => sum + file.bytes, 0);
  return { files: paths.length, bytes, sha256: createHash("sha256").update(text).digest("hex") };
}

/** How many bytes the files of a folder have. */
export async function treeSize(path: string): Promise<{ files: number; bytes: number }> {
  const { files } = await listTree(path);
  return { files: files.length, bytes: await sizeOf(path, files) };
}

/** @throws UserError when a file system has less than `bytes` and a little more left */
export async function requireSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = Number(bavail) * Number(bsize);
  if (free >= bytes + spare) return;
  throw new UserError(`there is no room for a copy of the data in ${folder}`, {
    why: `It takes ${Math.ceil(bytes / MB)} MB, and ${Math.floor(free / MB)} MB are free.`,
    fix: "Free some space on that disk, then try again.",
  });
}

async function listTree(source: string, skip: string[] = []): Promise<{ folders: string[]; files: string[] }> {
  const [folders, files]: [string[], string[]] = [[], []];
  for (const entry of await readdir(source, { recursive: true, withFileTypes: true })) {
    // With slashes on every system, so that the digest is the same.
    const path = relative(source, join(entry.parentPath, entry.name)).split(sep).join("/");
    if (skip.includes(path)) continue;
    if (entry.isDirectory()) folders.push(path);
    else if (entry.isFile()) files.push(path);
    else
      throw new UserError(`the data folder is not whole without what ${join(source, path)} leads to`, {
        why: "It is no plain file: a tablespace, or a folder that was moved elsewhere. A copy would not hold it.",
        fix: "Move it back into the data folder (alter table … set tablespace pg_default), or do without the backup.",
      });
  }
  return { folders: folders.sort(), files: files.sort() };
}

async function sizeOf(source: string, files: string[]): Promise<number> {
  let total = 0;
  for (const path of files) total += (await stat(join(source, path))).size;
  return total;
}

/** Copies a file to a new one, which is on disk when this returns. */
export async function copyFile(
  from: string,
  to: string,
  how: { buffer: Buffer; user?: SystemUser | undefined },
): Promise<CopiedFile> {
  const hash = createHash("sha256");
  const source = await open(from, "r");
  try {
    const target = await open(to, "wx", 0o600);
    try {
      let bytes = 0;
      for (;;) {
        const { bytesRead } = await source.read(how.buffer, 0, bufferSize, null);
        if (bytesRead === 0) break;
        const part = how.buffer.subarray(0, bytesRead);
        hash.update(part);
        await target.writeFile(part);
        bytes += bytesRead;
      }
      if (how.user) await target.chown(how.user.uid, how.user.gid);
      await target.sync();
      return { bytes, sha256: hash.digest("hex") };
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}
