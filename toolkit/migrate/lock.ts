import { setTimeout as sleep } from "node:timers/promises";
import { PG_MIGRATE_LOCK_ID } from "node-pg-migrate";
import type pg from "pg";
import { UserError } from "../errors.ts";

// Sessions that wait in pg_advisory_lock block CREATE INDEX CONCURRENTLY for ever: poll instead.
const pollInterval = 500;
const tellInterval = 30_000;

/** How long, in milliseconds, a run waits for another one by default. */
export const defaultPatience = 600_000;

/**
 * Runs `work` under node-pg-migrate's own advisory lock, so that its command and we exclude each other too. The lock
 * belongs to the session: it stays while a server process still works for a client that was killed.
 * @param patience milliseconds to wait for another session that has it
 * @throws UserError when the other session still has it after that
 */
export async function withLock<T>(
  client: pg.ClientBase,
  patience: number,
  say: (line: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  await takeLock(client, patience, say);
  try {
    return await work();
  } finally {
    // The end of the session would give it back too, but a moment later.
    await client.query("select pg_advisory_unlock($1)", [PG_MIGRATE_LOCK_ID]).catch(() => {});
  }
}

async function takeLock(client: pg.ClientBase, patience: number, say: (line: string) => void): Promise<void> {
  const started = Date.now();
  for (let told = -Infinity; ; ) {
    const { rows } = await client.query("select pg_try_advisory_lock($1) as taken", [PG_MIGRATE_LOCK_ID]);
    if (rows[0].taken) return;
    const waited = Date.now() - started;
    const holder = await lockHolder(client);
    if (waited >= patience)
      throw new UserError("another run of migrations is at work on this database", {
        why: `${holder} holds the lock, and did not finish within ${Math.round(patience / 1000)} s.`,
        fix: "Wait until it has finished and run again. If nobody works there any more, end that session: select pg_terminate_backend(PID).",
      });
    if (waited - told >= tellInterval) {
      say(`another run of migrations is at work: ${holder}; waiting up to ${Math.round(patience / 1000)} s`);
      told = waited;
    }
    await sleep(Math.min(pollInterval, Math.max(patience - waited, 1)));
  }
}

/** The session that has the lock, in words. */
async function lockHolder(client: pg.ClientBase): Promise<string> {
  // pg_locks shows a 64-bit key as two halves, with objsubid 1.
  const { rows } = await client.query(
    `select pid, application_name, usename, to_char(backend_start, 'YYYY-MM-DD HH24:MI:SS TZ') as since
     from pg_locks join pg_stat_activity using (pid)
     where locktype = 'advisory' and granted and objsubid = 1
       and database = (select oid from pg_database where datname = current_database())
       and classid = ($1::bigint >> 32)::oid and objid = ($1::bigint & 4294967295)::oid`,
    [PG_MIGRATE_LOCK_ID],
  );
  if (!rows[0]) return "a session that has just ended";
  const { pid, application_name, usename, since } = rows[0];
  return `session ${pid} ("${application_name}", user ${usename}, since ${since})`;
}
