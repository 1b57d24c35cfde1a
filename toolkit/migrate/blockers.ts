import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { type Connection, withClient } from "../connection.ts";
import { readProgress, type StatementProgress } from "./progress.ts";

/** Watches, from a session of its own, who keeps another session waiting, and how far that one is. */
export interface Watch {
  /** Whoever was last seen in the way, in words; undefined when nobody was. */
  last(): string | undefined;
  /** Milliseconds that the session was seen to wait for locks. */
  waited(): number;
  /** Whether the session's statement was cancelled, because it had waited longer than it may. */
  cancelled(): boolean;
  stop(): Promise<void>;
}

export interface WatchOptions {
  /** Milliseconds between two looks, and before the first. */
  interval: number;
  /** Called with each new finding of who is in the way, once it has lasted for `quiet` milliseconds. */
  tell?: (blockers: string) => void;
  quiet?: number;
  /** Called at each look with how far the statement is, where PostgreSQL tells. */
  show?: (progress: StatementProgress) => void;
  /** Milliseconds that the session may wait for locks, all in all, before its statement is cancelled. */
  limit?: number;
}

/**
 * Looks again and again who blocks a session: once its lock timeout has struck, PostgreSQL no longer tells. A session
 * that never waits long costs no connection.
 * @param pid the server process of the watched session
 */
export function watchBlockers(connection: Connection, pid: number, options: WatchOptions): Watch {
  const { interval, tell = () => {}, quiet = 0, show = () => {}, limit = Number.POSITIVE_INFINITY } = options;
  const stopping = new AbortController();
  const pause = () => sleep(interval, undefined, { signal: stopping.signal });
  // One entry for each wait: CREATE INDEX CONCURRENTLY waits for one transaction after the other.
  const waits = new Map<string, number>();
  const waited = () => [...waits.values()].reduce((sum, wait) => sum + wait, 0);
  let last: string | undefined;
  let told: string | undefined;
  let cancelled = false;
  async function watch(): Promise<void> {
    await pause();
    const session = { applicationName: "postgres-from-code watch", connectTimeout: 3_000, statementTimeout: 3_000 };
    await withClient(connection, session, async (client) => {
      for (;;) {
        const wait = await currentWait(client, pid);
        if (wait) waits.set(wait.since, wait.milliseconds);
        const found = wait && (await describeBlockers(client, pid));
        if (wait && found && found !== told && wait.milliseconds >= quiet) {
          tell(found);
          told = found;
        }
        last = found ?? last;
        const progress = await readProgress(client, pid);
        if (progress) show(progress);
        if (wait && waited() > limit) {
          cancelled = true;
          await client.query("select pg_cancel_backend($1)", [pid]);
          return;
        }
        await pause();
      }
    });
  }
  // Ends by the abort of a pause; and a watch that cannot connect is not worth a failed migration.
  const ended = watch().catch(() => {});
  return {
    last: () => last,
    waited,
    cancelled: () => cancelled,
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}

/** The lock that a session waits for now: since when, and for how long. */
async function currentWait(
  client: pg.ClientBase,
  pid: number,
): Promise<{ since: string; milliseconds: number } | undefined> {
  // waitstart is null for a moment after the wait began.
  const { rows } = await client.query(
    `select waitstart::text as since, extract(epoch from clock_timestamp() - waitstart)::float8 * 1000 as milliseconds
     from pg_locks where pid = $1 and not granted and waitstart is not null limit 1`,
    [pid],
  );
  return rows[0];
}

/** Who blocks a session, and on what; without the text of queries, which may hold secrets. */
async function describeBlockers(client: pg.ClientBase, pid: number): Promise<string | undefined> {
  const { rows } = await client.query(
    `select b.pid, application_name, usename, state,
            to_char(coalesce(xact_start, backend_start), 'YYYY-MM-DD HH24:MI:SS TZ') as since,
            (select relation::regclass::text from pg_locks
             where pid = $1 and not granted and relation is not null limit 1) as relation
     from unnest(pg_blocking_pids($1)) b(pid) join pg_stat_activity a on a.pid = b.pid
     order by xact_start nulls last limit 3`,
    [pid],
  );
  if (rows.length === 0) return undefined;
  const sessions = rows.map(
    ({ pid, application_name, usename, state, since }) =>
      `session ${pid} ("${application_name}", user ${usename}, ${state}, in a transaction since ${since})`,
  );
  return sessions.join(", ") + (rows[0].relation ? ` on ${rows[0].relation}` : "");
}
