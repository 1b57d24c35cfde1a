import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "../alive.ts";
import type { Binaries } from "./binaries.ts";
import type { Cluster } from "./cluster.ts";
import { stopServer } from "./control.ts";
import { systemFolder } from "./place.ts";
import { canUse, type SystemUser } from "./systemUser.ts";

/** What throw-away servers share: folders that are named after their kind, and know the process that they are for. */

const pidFile = "run.pid";

/** A folder that the server's user can reach; for root that may not be so in TMPDIR. */
export async function temporaryBase(user: SystemUser | undefined): Promise<string> {
  if (!user || canUse(tmpdir(), user)) return tmpdir();
  await mkdir(systemFolder, { recursive: true });
  await chmod(systemFolder, 0o755);
  return systemFolder;
}

/**
 * Makes the folder of a throw-away server, after clearing away those of this kind that killed runs left.
 * @param before called with its path before it is made, so that whoever removes it is there first
 */
export async function makeScratchFolder(
  prefix: string,
  binaries: Binaries,
  user: SystemUser | undefined,
  before: (folder: string) => void = () => {},
): Promise<string> {
  const base = await temporaryBase(user);
  await clearKilledRuns(base, prefix, binaries, user);
  const folder = join(base, prefix + randomBytes(4).toString("hex"));
  before(folder);
  await mkdir(folder, { mode: 0o700 });
  await writeFile(join(folder, pidFile), String(process.pid));
  if (user) await chown(folder, user.uid, user.gid);
  return folder;
}

/** The cluster of a throw-away server. */
export function clusterIn(folder: string, binaries: Binaries, user: SystemUser | undefined): Cluster {
  return { data: join(folder, "data"), log: join(folder, "postgresql.log"), binaries, user };
}

/** Stops the server of a folder, where one runs, and removes the folder. */
export async function removeScratchFolder(
  folder: string,
  binaries: Binaries,
  user: SystemUser | undefined,
): Promise<void> {
  await stopServer(clusterIn(folder, binaries, user));
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

/** A loopback port that nobody listens on at this moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

async function clearKilledRuns(
  base: string,
  prefix: string,
  binaries: Binaries,
  user: SystemUser | undefined,
): Promise<void> {
  for (const name of await readdir(base)) {
    if (!name.startsWith(prefix)) continue;
    const folder = join(base, name);
    const pid = Number(await readFile(join(folder, pidFile), "utf8").catch(() => "0"));
    // One that cannot be removed, such as another user's, does not keep the next server from starting.
    if (pid > 0 && !isAlive(pid)) await removeScratchFolder(folder, binaries, user).catch(() => {});
  }
}
