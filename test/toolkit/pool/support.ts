import { createServer, connect as dial, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "../../../toolkit/pool/pool.ts";

/** Waits until something is so, at most ten seconds. */
export async function until(so: () => unknown | Promise<unknown>): Promise<void> {
  const limit = Date.now() + 10_000;
  while (!(await so())) {
    if (Date.now() > limit) throw new Error(`not so after ten seconds: ${so}`);
    await sleep(10);
  }
}

/** What a promise is rejected with. */
export async function failure(work: Promise<unknown>): Promise<Error> {
  return work.then(
    (value) => Promise.reject(new Error(`it was done: ${JSON.stringify(value)}`)),
    (error: Error) => error,
  );
}

/** A message in which every duration and every position in a file is the same. */
export function timeless(message: string): string {
  return message
    .replace(/\d+\.\d s\b/g, "# s")
    .replace(/:\d+:\d+\)?/g, (place) => (place.endsWith(")") ? ":#)" : ":#"));
}

/** Opens so many connections in a pool by using them at once. */
export async function useAtOnce(pool: Pool, count: number): Promise<number[]> {
  const used = Array.from({ length: count }, () => pool.query("select pg_backend_pid() as pid, pg_sleep(0.02)"));
  return (await Promise.all(used)).map(({ rows }) => rows[0].pid);
}

/** A TCP proxy between a pool and a server. */
export interface TcpProxy {
  port: number;
  /** How often a client has sent something. */
  sent: number;
  /** While true nothing gets through, and nobody is told; connections are accepted. */
  stalled: boolean;
  /** How often somebody sent something while it was stalled, which was lost. */
  lost: number;
  /** Where new connections lead. */
  target: number;
  /** How many connections it has. */
  readonly open: number;
  close(): Promise<void>;
}

export async function startProxy(target: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = dial(proxy.target, "127.0.0.1");
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on("data", (chunk) => {
        if (proxy.stalled) {
          proxy.lost += 1;
          return;
        }
        if (from === client) proxy.sent += 1;
        to.write(chunk);
      });
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        if (!proxy.stalled) to.destroy();
      });
    }
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const proxy: TcpProxy = {
    port: (server.address() as { port: number }).port,
    sent: 0,
    stalled: false,
    lost: 0,
    target,
    get open() {
      return sockets.size / 2;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
  return proxy;
}
