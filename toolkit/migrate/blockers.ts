import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { type Connection, withClient } from "../connection.ts";

/** Watches, from a session of its own, who keeps another session waiting. */
export interface Watch {
  /** Whoever was last seen in the way, in words; undefined when nobody was. */
  last(): string | undefined;
  stop(): Promise<void>;
}

/**
 * Looks again and again who blocks a session: once its lock timeout has struck, PostgreSQL no longer tells. A session
 * that never waits long costs no connection.
 * @param pid the server process of the watched session
 * @param interval milliseconds between two looks, and before the first
 * @param tell called with each new finding
 */
export function watchBlockers(
  connection: Connection,
  pid: number,
  interval: number,
  tell: (blockers: string) => void = () => {},
): Watch {
  const stopping = new AbortController();
  const pause = () => sleep(interval, undefined, { signal: stopping.signal });
  let last: string | undefined;
  async function watch(): Promise<void> {
    await pause();
    const session = { applicationName: "postgres-from-code watch", connectTimeout: 3_000, statementTimeout: 3_000 };
    await withClient(connection, session, async (client) => {
      for (;;) {
        const found = await describeBlockers(client, pid);
        if (found && found !== last) tell(found);
        last = found ?? last;
        await pause();
      }
    });
  }
  // Ends by the abort of a pause; and a watch that cannot connect is not worth a failed migration.
  const ended = watch().catch(() => {});
  return {
    last: () => last,
    async stop() {
      stopping.abort();
      await ended;
    },
  };
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
