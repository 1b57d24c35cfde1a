import { chmod, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { findClient, findServer } from "../../../toolkit/backup/programs.ts";
import type { Connection } from "../../../toolkit/connection.ts";
import type { Binaries } from "../../../toolkit/server/binaries.ts";
import { type Cluster, initCluster, settingsFile } from "../../../toolkit/server/cluster.ts";
import { startServer, stopServer } from "../../../toolkit/server/control.ts";
import { writePrivate } from "../../../toolkit/server/files.ts";
import { renderSettings } from "../../../toolkit/server/settings.ts";
import { serverUser } from "../../../toolkit/server/systemUser.ts";
import { freePort, temporaryBase } from "../../support/server.ts";
import { afterwards, execute } from "./support.ts";

const oldest = 15;
const newest = 18;

/** A PostgreSQL that the pg_dump of this machine can dump: the newest whose server is here too; undefined for none. */
export async function findDumpable(): Promise<Binaries | undefined> {
  for (let major = newest; major >= oldest; major--) {
    if (!("path" in (await findClient("pg_dump", major)))) continue;
    const binaries = await findServer(String(major), await serverUser()).catch(() => undefined);
    if (binaries) return binaries;
  }
  return undefined;
}

/** A server as an administrator made it, and two ways to enter it: as superuser, and as one who may only make databases. */
export async function makePlainServer(binaries: Binaries): Promise<{ superuser: Connection; app: Connection }> {
  const user = await serverUser();
  const folder = await mkdtemp(join(await temporaryBase(user), "plain-server-"));
  await chmod(folder, 0o777);
  const cluster: Cluster = { data: join(folder, "data"), log: join(folder, "log"), binaries, user };
  afterwards(async () => {
    await stopServer(cluster);
    await rm(folder, { recursive: true, force: true });
  });
  const password = "superuser's";
  await initCluster(cluster, { partial: `${cluster.data}.partial`, password, sync: false });
  const port = await freePort();
  const settings = { fsync: "off", shared_buffers: "16MB", max_connections: "20" };
  await writePrivate(join(cluster.data, settingsFile), renderSettings(port, settings), user);
  await startServer(cluster);
  const superuser = { host: "127.0.0.1", port, database: "postgres", user: "postgres", password };
  await execute(superuser, `create role app login createdb password 'app''s \\secret'`);
  await execute(superuser, "create database investment owner app");
  return {
    superuser: { ...superuser, database: "investment" },
    app: { ...superuser, user: "app", password: "app's \\secret", database: "investment" },
  };
}
