import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectionString } from "../../toolkit/connection.ts";
import { type Binaries, findBinaries } from "../../toolkit/server/binaries.ts";
import { type Cluster, initCluster, settingsFile, superuser } from "../../toolkit/server/cluster.ts";
import { startServer, stopServer } from "../../toolkit/server/control.ts";
import { writePrivate } from "../../toolkit/server/files.ts";
import { systemFolder } from "../../toolkit/server/place.ts";
import { renderSettings } from "../../toolkit/server/settings.ts";
import { canUse, type SystemUser, serverUser } from "../../toolkit/server/systemUser.ts";

const prefix = "postgres-from-code-test-";

// Durability costs time and serves nobody here; every test file opens sessions of its own.
const settings = { fsync: "off", synchronous_commit: "off", full_page_writes: "off", max_connections: "200" };

/** Starts a throw-away server, after clearing away what earlier runs left that were killed. */
export async function startTestServer(password: string): Promise<{ folder: string; url: string }> {
  const user = await serverUser();
  const binaries = await findBinaries(user);
  const base = await temporaryBase(user);
  await clearKilledRuns(base, binaries, user);
  const folder = await temporaryFolder(base, user);
  const cluster = clusterIn(folder, binaries, user);
  const port = await freePort();
  await initCluster(cluster, { partial: `${cluster.data}.partial`, password, sync: false });
  await writePrivate(join(cluster.data, settingsFile), renderSettings(port, settings), user);
  await startServer(cluster);
  const url = connectionString({ host: "127.0.0.1", port, database: "postgres", user: superuser, password });
  return { folder, url };
}

/** Stops a throw-away server and removes its folder. */
export async function stopTestServer(folder: string): Promise<void> {
  const user = await serverUser();
  await stopServer(clusterIn(folder, await findBinaries(user), user));
  await rm(folder, { recursive: true, force: true });
}

/** A folder that the server's user can reach; for root that may not be so in TMPDIR. */
export async function temporaryBase(user: SystemUser | undefined): Promise<string> {
  if (!user || canUse(tmpdir(), user)) return tmpdir();
  await mkdir(systemFolder, { recursive: true });
  await chmod(systemFolder, 0o755);
  return systemFolder;
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

function clusterIn(folder: string, binaries: Binaries, user: SystemUser | undefined): Cluster {
  return { data: join(folder, "data"), log: join(folder, "postgresql.log"), binaries, user };
}

async function temporaryFolder(base: string, user: SystemUser | undefined): Promise<string> {
  const folder = await mkdtemp(join(base, prefix));
  await writeFile(join(folder, "run.pid"), String(process.pid));
  if (user) await chown(folder, user.uid, user.gid);
  return folder;
}

/** Stops and removes the servers of runs whose own process is gone. */
async function clearKilledRuns(base: string, binaries: Binaries, user: SystemUser | undefined): Promise<void> {
  for (const name of await readdir(base)) {
    if (!name.startsWith(prefix)) continue;
    const folder = join(base, name);
    const pid = Number(await readFile(join(folder, "run.pid"), "utf8").catch(() => "0"));
    if (pid === 0 || isAlive(pid)) continue;
    await stopServer(clusterIn(folder, binaries, user));
    await rm(folder, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}
