import pg from "pg";
import { type Connection, clientConfig } from "../connection.ts";
import { answerTimeout, PooledClient, type PooledClientConfig } from "./client.ts";
import type { PoolLimits, PoolOptions } from "./options.ts";

/** A connection while it is lent. */
export type LentClient = pg.PoolClient & PooledClient;

/** A request for a connection, as `pg`'s Pool keeps it. */
interface Item {
  callback(error: Error | undefined, client: unknown, release: () => void): void;
}

interface Idle {
  client: PooledClient;
  idleListener: unknown;
  timeoutId: NodeJS.Timeout | undefined;
}

/** What `pg`'s Pool does, and offers nobody: to open a connection though others are idle, and to lend one without a wait. */
interface Inside {
  newClient(item: Item): void;
  readonly _idle: Idle[];
  _pulseQueue(): void;
  _acquireClient(client: PooledClient, item: Item, idleListener: unknown, isNew: boolean): void;
}

const inside = (pool: pg.Pool) => pool as unknown as Inside;

/** `pg`'s Pool, of clients that know how they are, each with an idle time and a lifetime of its own. */
export function makePgPool(connection: Connection, options: PoolOptions, limits: PoolLimits): pg.Pool {
  const { statementTimeout, answerGrace, idleInTransactionTimeout, connectTimeout, keepAliveDelay } = limits;
  const pgbouncer = options.pgbouncer ?? false;
  const ours: Omit<PooledClientConfig, keyof pg.ClientConfig> = {
    pgbouncer,
    answerTimeout: answerTimeout(statementTimeout, answerGrace),
  };
  const pool = new pg.Pool({
    ...clientConfig(connection, {
      applicationName: options.applicationName ?? "postgres-from-code pool",
      connectTimeout,
      // PgBouncer refuses a session that starts with settings other than its own few.
      statementTimeout: pgbouncer ? 0 : statementTimeout,
    }),
    ...(pgbouncer ? {} : { idle_in_transaction_session_timeout: idleInTransactionTimeout }),
    keepAliveInitialDelayMillis: keepAliveDelay,
    min: limits.min,
    max: limits.max,
    Client: PooledClient as unknown as new () => pg.ClientBase,
    ...ours,
  });
  spread(pool, limits);
  return pool;
}

/** Lets `pg` read another idle time and lifetime for each connection: it reads them when it sets its timers. */
function spread(pool: pg.Pool, { idleTimeout, maxLifetime, jitter }: PoolLimits): void {
  const shortened = (milliseconds: number) => milliseconds * (1 - (Math.random() * jitter) / 100);
  Object.defineProperties(pool.options, {
    idleTimeoutMillis: { get: () => shortened(idleTimeout) },
    maxLifetimeSeconds: { get: () => shortened(maxLifetime) / 1000 },
  });
}

/** Opens one connection more; connect() would give one that is idle. */
export function openOne(pool: pg.Pool): Promise<void> {
  return new Promise((resolve, reject) => {
    inside(pool).newClient({
      callback(error, _client, release) {
        if (error) return reject(error);
        release();
        resolve();
      },
    });
  });
}

/** The connection that would be lent next; undefined where none is idle. */
export function nextIdle(pool: pg.Pool): PooledClient | undefined {
  return inside(pool)._idle.at(-1)?.client;
}

/** Lends the one of {@link nextIdle} at once: connect() would set a timer and wait for a turn of the event loop. */
export function takeIdle(pool: pg.Pool): LentClient {
  const { client, idleListener, timeoutId } = inside(pool)._idle.pop()!;
  clearTimeout(timeoutId);
  inside(pool)._acquireClient(client, noRequest, idleListener, false);
  return client as unknown as LentClient;
}

const noRequest: Item = { callback() {} };

/** As pg's connect(); one that is idle is taken at once, so that {@link takeIdle} never meets an older request. */
export async function takeAny(pool: pg.Pool): Promise<LentClient> {
  const client = pool.connect();
  inside(pool)._pulseQueue();
  return (await client) as LentClient;
}
