import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { type Connection, clientConfig } from "../../toolkit/connection.ts";
import { createPool } from "../../toolkit/pool/pool.ts";
import type { Request } from "./workload.ts";

const connections = 15;

/** How busy a pool was. */
export interface PoolUse {
  /** Requests offered a second. */
  rate: number;
  seconds: number;
  offered: number;
  answered: number;
  /** The share of connections in use, in per cent: the mean of samples. */
  utilisation: number;
  /** The most requests that waited for a connection. */
  waiting: number;
}

interface AnyPool {
  run(work: (client: pg.ClientBase) => Promise<unknown>): Promise<unknown>;
  inUse(): number;
  waiting(): number;
  end(): Promise<unknown>;
}

/** The application's pool: pg's own, of the same size. */
export function plainPool(connection: Connection): AnyPool {
  const pool = new pg.Pool({ ...clientConfig(connection), max: connections, connectionTimeoutMillis: 0 });
  pool.on("error", () => {});
  return {
    async run(work) {
      const client = await pool.connect();
      let failed: Error | undefined;
      try {
        return await work(client);
      } catch (error) {
        failed = error as Error;
        throw error;
      } finally {
        client.release(failed);
      }
    },
    inUse: () => pool.totalCount - pool.idleCount,
    waiting: () => pool.waitingCount,
    end: () => pool.end(),
  };
}

export function toolkitPool(connection: Connection): AnyPool {
  const pool = createPool(connection, { max: connections, statementTimeout: 0, leakAfter: 0, acquireTimeout: 600_000 });
  return {
    run: (work) => pool.withClient(work),
    inUse: () => pool.getConnectionPoolStatus().inUse,
    waiting: () => pool.getConnectionPoolStatus().waiting,
    end: () => pool.end({ timeout: 1_000 }),
  };
}

/** Offers requests at a fixed rate, whether those before are answered or not, and watches the pool. */
export async function offer(
  pool: AnyPool,
  requests: ((client: pg.ClientBase) => Promise<unknown>)[],
  { rate, seconds, cancel }: { rate: number; seconds: number; cancel(): Promise<unknown> },
): Promise<PoolUse> {
  const samples: number[] = [];
  const running: Promise<unknown>[] = [];
  let [answered, waiting, offered, over] = [0, 0, 0, false];
  let failure: unknown;
  const started = performance.now();
  while (performance.now() - started < seconds * 1000) {
    while (offered < ((performance.now() - started) / 1000) * rate) {
      const request = requests[offered++ % requests.length]!;
      const done = pool.run(request).then(() => {
        if (!over) answered++;
      });
      // What is still running at the end is cancelled: that is no failure of the request.
      running.push(
        done.catch((error) => {
          if (!over) failure ??= error;
        }),
      );
    }
    samples.push(pool.inUse());
    waiting = Math.max(waiting, pool.waiting());
    await sleep(10);
  }
  over = true;
  await cancel();
  await Promise.all(running);
  await pool.end();
  if (failure) throw failure;
  const mean = samples.reduce((sum, value) => sum + value, 0) / samples.length;
  return { rate, seconds, offered, answered, utilisation: (100 * mean) / connections, waiting };
}

/** The rate at which the old requests keep a pool of this size as busy as the application's was, one at a time each. */
export function rateFor(requests: readonly Request[], millisecondsBefore: readonly number[]): number {
  const mean = millisecondsBefore.reduce((sum, value) => sum + value, 0) / requests.length;
  return (0.95 * connections) / (mean / 1000);
}
