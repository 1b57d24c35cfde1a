import { randomBytes } from "node:crypto";
import { open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { SystemUser } from "./systemUser.ts";

/** Whether a path exists, whatever it is. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Writes a file of mode 0600 that belongs to the server's user, whole or not at all. */
export async function writePrivate(path: string, text: string, user: SystemUser | undefined): Promise<void> {
  const next = `${path}.${randomBytes(6).toString("hex")}.new`;
  const handle = await open(next, "wx", 0o600);
  try {
    if (user) await handle.chown(user.uid, user.gid);
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(next, path);
}

/** Writes the entries of a folder to disk, so that a rename in it outlives a power cut. Not possible on Windows. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Renames, for good. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
}

/** Removes a folder that nobody needs; what is still written to by a process of a killed run stays until next time. */
export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
}
