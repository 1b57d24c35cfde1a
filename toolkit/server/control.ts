import { chown, open, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { UserError } from "../errors.ts";
import { type Cluster, lastLines } from "./cluster.ts";
import { clearRemains, isServer } from "./processes.ts";
import { run } from "./systemUser.ts";

/** A server that runs. */
export interface Running {
  pid: number;
  port: number;
  /** False while it starts, recovers or stops. */
  ready: boolean;
}

// A log larger than this is set aside at the next start; one older log is kept.
const logLimit = 16 * 1024 * 1024;
// Seconds. Recovery after a crash reads at most max_wal_size of log: minutes on a slow disk.
const startTimeout = 900;
const stopTimeout = 300;
const progressInterval = 5_000;
const settlingPause = 100;

/**
 * The server of a data folder, if it runs. A `postmaster.pid` that a killed server left does not count, also when its
 * process number belongs to another program by now.
 */
export async function serverStatus(data: string): Promise<Running | undefined> {
  const text = await readFile(join(data, "postmaster.pid"), "utf8").catch(() => "");
  // Lines: pid, data folder, start time, port, socket folder, listen address, shared memory, status.
  const lines = text.split("\n").map((line) => line.trim());
  const pid = Number(lines[0]);
  if (!(pid > 0) || !(await isServer(pid, data))) return undefined;
  return { pid, port: Number(lines[3]), ready: lines[7] === "ready" };
}

/**
 * Starts a server and returns once it accepts connections. The server outlives this process and does not hear its
 * Ctrl-C.
 * @throws UserError with the last lines of the log
 */
export async function startServer(cluster: Cluster): Promise<void> {
  if (!(await serverStatus(cluster.data))) await clearRemains(cluster.data);
  await prepareLog(cluster);
  const from = (await stat(cluster.log)).size;
  const started = Date.now();
  const ticker = setInterval(() => {
    void logSince(cluster.log, from).then((text) => {
      const state = /recovery|redo/.test(text) ? "recovering after a crash" : "starting";
      console.log(`the server is ${state}, ${Math.round((Date.now() - started) / 1000)} s`);
    });
  }, progressInterval);
  const args = ["start", "-D", cluster.data, "-l", cluster.log, "-w", "-t", String(startTimeout), "-s"];
  const { code, stdout, stderr } = await run(cluster.binaries.pg_ctl, args, { user: cluster.user }).finally(() =>
    clearInterval(ticker),
  );
  if (code === 0) return;
  const log = await logSince(cluster.log, from);
  throw new UserError("the server does not start", {
    why: lastLines(log || stderr || stdout),
    fix: `Correct what the lines above name, then run \`up\` again. The whole log is ${cluster.log}.`,
  });
}

/**
 * Stops a server: open transactions are rolled back, sessions end. Does nothing where none runs.
 * @throws UserError when it does not stop
 */
export async function stopServer(cluster: Cluster): Promise<void> {
  if (!(await serverStatus(cluster.data))) return;
  const args = ["stop", "-D", cluster.data, "-m", "fast", "-w", "-t", String(stopTimeout), "-s"];
  const { code, stdout, stderr } = await run(cluster.binaries.pg_ctl, args, { user: cluster.user });
  if (code !== 0 && (await serverStatus(cluster.data)))
    throw new UserError("the server does not stop", {
      why: lastLines(stderr || stdout),
      fix: `See ${cluster.log} for what it waits for.`,
    });
}

/**
 * The server of a data folder once it neither starts nor stops any more, such as one that a killed run started.
 * @throws UserError when it does so for fifteen minutes
 */
export async function settledServer(data: string): Promise<Running | undefined> {
  const started = Date.now();
  let told = started;
  for (;;) {
    const running = await serverStatus(data);
    if (!running || running.ready) return running;
    if (Date.now() - told > progressInterval) {
      told = Date.now();
      console.log(`waiting for the server to accept connections, ${Math.round((told - started) / 1000)} s`);
    }
    if (Date.now() - started > startTimeout * 1000)
      throw new UserError("the server runs, but does not accept connections", {
        fix: `See its log. It is process ${running.pid}.`,
      });
    await wait(settlingPause);
  }
}

async function prepareLog(cluster: Cluster): Promise<void> {
  const size = (await stat(cluster.log).catch(() => undefined))?.size ?? 0;
  if (size > logLimit) await rename(cluster.log, `${cluster.log}.1`);
  await (await open(cluster.log, "a", 0o600)).close();
  if (cluster.user) await chown(cluster.log, cluster.user.uid, cluster.user.gid);
}

async function logSince(log: string, from: number): Promise<string> {
  return (await readFile(log)).subarray(from).toString("utf8");
}
