import { join } from "node:path";
import { connectionString } from "../../toolkit/connection.ts";
import { findBinaries } from "../../toolkit/server/binaries.ts";
import { initCluster, settingsFile, superuser } from "../../toolkit/server/cluster.ts";
import { startServer } from "../../toolkit/server/control.ts";
import { writePrivate } from "../../toolkit/server/files.ts";
import { clusterIn, freePort, makeScratchFolder, removeScratchFolder } from "../../toolkit/server/scratchFolder.ts";
import { renderSettings } from "../../toolkit/server/settings.ts";
import { serverUser } from "../../toolkit/server/systemUser.ts";

export { freePort, temporaryBase } from "../../toolkit/server/scratchFolder.ts";

const prefix = "postgres-from-code-test-";

// Durability costs time and serves nobody here; every test file opens sessions of its own.
const settings = { fsync: "off", synchronous_commit: "off", full_page_writes: "off", max_connections: "200" };

/** Starts a throw-away server, after clearing away what earlier runs left that were killed. */
export async function startTestServer(password: string): Promise<{ folder: string; url: string }> {
  const user = await serverUser();
  const binaries = await findBinaries(user);
  const folder = await makeScratchFolder(prefix, binaries, user);
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
  await removeScratchFolder(folder, await findBinaries(user), user);
}
