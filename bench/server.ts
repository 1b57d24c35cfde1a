import { randomBytes } from "node:crypto";
import { access } from "node:fs/promises";
import { join } from "node:path";
import type { Connection } from "../toolkit/connection.ts";
import { type Binaries, findBinaries } from "../toolkit/server/binaries.ts";
import { initCluster, settingsFile, superuser } from "../toolkit/server/cluster.ts";
import { startServer } from "../toolkit/server/control.ts";
import { writePrivate } from "../toolkit/server/files.ts";
import { clusterIn, freePort, makeScratchFolder, removeScratchFolder } from "../toolkit/server/scratchFolder.ts";
import { renderSettings } from "../toolkit/server/settings.ts";
import { run, serverUser } from "../toolkit/server/systemUser.ts";

/** A server of a benchmark's own. */
export interface BenchServer {
  connection: Connection;
  version: string;
  hasPartman: boolean;
  stop(): Promise<void>;
}

const prefix = "postgres-from-code-bench-";

/** Which server, and how it is set. */
export interface BenchServerOptions {
  /** The embedded one, whatever else is installed. */
  embedded?: boolean;
  /** Settings of PostgreSQL beside those of every benchmark, or in their place. */
  settings?: Record<string, string>;
}

// As durable as a real one; memory and log for a small machine, and locks for hundreds of partitions in one transaction.
const defaults = {
  shared_buffers: "512MB",
  max_wal_size: "4GB",
  checkpoint_timeout: "15min",
  max_connections: "50",
  max_locks_per_transaction: "1024",
};

const debian = "/usr/lib/postgresql/15";

/** Starts a server: Debian's PostgreSQL 15 where its pg_partman is installed, otherwise the embedded one. */
export async function startBenchServer({
  embedded = false,
  settings = {},
}: BenchServerOptions = {}): Promise<BenchServer> {
  const user = await serverUser();
  const partman = "/usr/share/postgresql/15/extension/pg_partman.control";
  const hasPartman =
    !embedded &&
    (await access(partman).then(
      () => true,
      () => false,
    ));
  const binaries = hasPartman ? await debianBinaries() : await findBinaries(user);
  const folder = await makeScratchFolder(prefix, binaries, user);
  const cluster = clusterIn(folder, binaries, user);
  const stop = () => removeScratchFolder(folder, binaries, user);
  try {
    const [port, password] = [await freePort(), randomBytes(18).toString("base64url")];
    await initCluster(cluster, { partial: `${cluster.data}.partial`, password, sync: false });
    await writePrivate(join(cluster.data, settingsFile), renderSettings(port, { ...defaults, ...settings }), user);
    await startServer(cluster);
    const connection = { host: "127.0.0.1", port, database: "postgres", user: superuser, password };
    return { connection, version: binaries.version, hasPartman, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function debianBinaries(): Promise<Binaries> {
  const program = (name: string) => join(debian, "bin", name);
  const { stdout } = await run(program("postgres"), ["--version"]);
  return {
    root: debian,
    initdb: program("initdb"),
    pg_ctl: program("pg_ctl"),
    postgres: program("postgres"),
    version: /PostgreSQL\) (\S+)/.exec(stdout)?.[1] ?? "15",
    major: "15",
  };
}
