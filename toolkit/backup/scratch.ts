import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "../alive.ts";
import type { Connection } from "../connection.ts";
import { messageOf, UserError } from "../errors.ts";
import { type Cluster, initCluster } from "../server/cluster.ts";
import { startServer, stopServer } from "../server/control.ts";
import { writePrivate } from "../server/files.ts";
import { restoreBackup } from "../server/finalBackup.ts";
import { systemFolder } from "../server/place.ts";
import { canUse, type SystemUser, serverUser } from "../server/systemUser.ts";
import { cleaningUp } from "./interrupt.ts";
import { findServer } from "./programs.ts";
import { renderConfiguration } from "./scratchSettings.ts";

/** A server of the verification's own, that nobody else can enter. */
export interface Scratch {
  /** How its superuser enters one of its databases. */
  connectionTo(database: string): Connection;
}

const prefix = "postgres-from-code-verify-";
const ownerFile = "run.pid";
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
  const base = await reachableBase(user);
  const clusterIn = (folder: string): Cluster => ({
    data: join(folder, "data"),
    log: join(folder, "postgresql.log"),
    binaries,
    user,
  });
  await clearKilledRuns(base, clusterIn);
  const folder = await mkdtemp(join(base, prefix));
  await writeFile(join(folder, ownerFile), String(process.pid));
  if (user) await chown(folder, user.uid, user.gid);
  const cluster = clusterIn(folder);
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
    async () => {
      await stopServer(cluster);
      await rm(folder, { recursive: true, force: true });
    },
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

/** The folder for temporary files, or one that the server's user can reach where it cannot reach that. */
async function reachableBase(user: SystemUser | undefined): Promise<string> {
  if (!user || canUse(tmpdir(), user)) return tmpdir();
  await mkdir(systemFolder, { recursive: true });
  await chmod(systemFolder, 0o755);
  return systemFolder;
}

async function clearKilledRuns(base: string, clusterIn: (folder: string) => Cluster): Promise<void> {
  for (const name of await readdir(base)) {
    if (!name.startsWith(prefix)) continue;
    const folder = join(base, name);
    const pid = Number(await readFile(join(folder, ownerFile), "utf8").catch(() => "0"));
    if (pid === 0 || isAlive(pid)) continue;
    await stopServer(clusterIn(folder));
    await rm(folder, { recursive: true, force: true });
  }
}
