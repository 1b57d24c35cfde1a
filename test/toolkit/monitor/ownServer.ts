import { chmod, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Connection } from "../../../toolkit/connection.ts";
import { type Binaries, findBinaries } from "../../../toolkit/server/binaries.ts";
import { type Cluster, initCluster, settingsFile } from "../../../toolkit/server/cluster.ts";
import { startServer, stopServer } from "../../../toolkit/server/control.ts";
import { writePrivate } from "../../../toolkit/server/files.ts";
import { renderSettings } from "../../../toolkit/server/settings.ts";
import { serverUser } from "../../../toolkit/server/systemUser.ts";
import { freePort, temporaryBase } from "../../support/server.ts";

/** A server of a test's own, where it is ill as a whole. */
export interface OwnServer {
  cluster: Cluster;
  /** The superuser's. */
  connection: Connection;
  remove(): Promise<void>;
}

const password = "monitored";

/**
 * Makes a server and starts it.
 * @param options.binaries those of npm, unless others are given
 * @param options.fill makes the data folder, where it is not to be a new one
 */
export async function startOwnServer(
  settings: Record<string, string>,
  options: { binaries?: Binaries; fill?: (cluster: Cluster) => Promise<void> } = {},
): Promise<OwnServer> {
  const user = await serverUser();
  const folder = await mkdtemp(join(await temporaryBase(user), "monitored-server-"));
  await chmod(folder, 0o777);
  const binaries = options.binaries ?? (await findBinaries(user));
  const cluster: Cluster = { data: join(folder, "data"), log: join(folder, "log"), binaries, user };
  if (options.fill) await options.fill(cluster);
  else await initCluster(cluster, { partial: `${cluster.data}.partial`, password, sync: false });
  const port = await freePort();
  await writePrivate(join(cluster.data, settingsFile), renderSettings(port, settings), user);
  await startServer(cluster);
  return {
    cluster,
    connection: { host: "127.0.0.1", port, database: "postgres", user: "postgres", password },
    async remove() {
      await stopServer(cluster);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
