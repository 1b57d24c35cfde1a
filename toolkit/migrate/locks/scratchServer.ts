import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Connection } from "../../connection.ts";
import { findBinaries } from "../../server/binaries.ts";
import { initCluster, settingsFile, superuser } from "../../server/cluster.ts";
import { startServer } from "../../server/control.ts";
import { writePrivate } from "../../server/files.ts";
import { clusterIn, freePort, makeScratchFolder, removeScratchFolder } from "../../server/scratchFolder.ts";
import { renderSettings } from "../../server/settings.ts";
import { serverUser } from "../../server/systemUser.ts";

/** A throw-away server of this machine. */
export interface ScratchServer {
  /** To its database `postgres`, as the superuser. */
  connection: Connection;
  /** As `server_version` says it: "17.10". */
  version: string;
  folder: string;
  /** Stops it and removes its folder. */
  stop(): Promise<void>;
}

const prefix = "postgres-from-code-scratch-";

const settings = {
  // Durability costs time and serves nobody here.
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  shared_buffers: "16MB",
  max_connections: "20",
  // One transaction may lock every partition of every table, with its indexes.
  max_locks_per_transaction: "4096",
  // Nothing but our own statements may take a lock.
  autovacuum: "off",
};

/**
 * Starts a throw-away server, after clearing away what killed runs left. A keeper process removes it when this process
 * dies without doing so, however it dies.
 * @throws UserError when this machine has no embedded PostgreSQL, or it does not start
 */
export async function startScratchServer(): Promise<ScratchServer> {
  const user = await serverUser();
  const binaries = await findBinaries(user);
  let keeper: ChildProcess | undefined;
  const folder = await makeScratchFolder(prefix, binaries, user, (path) => {
    keeper = startKeeper(path);
  });
  const stop = async () => {
    await removeScratchFolder(folder, binaries, user);
    keeper?.stdin?.end();
  };
  try {
    const cluster = clusterIn(folder, binaries, user);
    const [port, password] = [await freePort(), randomBytes(18).toString("base64url")];
    await initCluster(cluster, { partial: `${cluster.data}.partial`, password, sync: false });
    await writePrivate(join(cluster.data, settingsFile), renderSettings(port, settings), user);
    await startServer(cluster);
    const connection = { host: "127.0.0.1", port, database: "postgres", user: superuser, password };
    return { connection, version: binaries.version, folder, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Waits beside us with a pipe from us; the end of the pipe, which the system sees to, is the sign to clear up. */
function startKeeper(folder: string): ChildProcess {
  const program = fileURLToPath(new URL("./keeper.ts", import.meta.url));
  // Of a group of its own, for a Ctrl-C goes to the whole group.
  const keeper = spawn(process.execPath, [program, folder], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  // Without it the folder of a killed run stays until the next run clears it away.
  keeper.on("error", () => {});
  keeper.stdin?.on("error", () => {});
  keeper.unref();
  (keeper.stdin as unknown as { unref(): void }).unref();
  return keeper;
}
