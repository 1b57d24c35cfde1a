import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import type { Settings } from "./options.ts";

/** What the steps of a conversion work with. */
export interface Session {
  client: pg.Client;
  connection: Connection;
  settings: Settings;
}

/** The name of our sessions in pg_stat_activity. */
export const applicationName = "postgres-from-code partition";

/**
 * Opens the session of a conversion; only one works on a table at a time.
 * @throws UserError when another one does
 */
export function withSession<T>(
  connection: Connection,
  settings: Settings,
  table: string,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  return withClient(connection, { applicationName }, async (client) => {
    // A live server's cores are for its users; compiling takes longer than a batch; the timeouts of the role are for
    // the application. Pages that we push out of shared memory go on to the disk soon: piled up in the system's cache they
    // are written in bursts, behind which every commit of the application waits (backend_flush_after in
    // https://www.postgresql.org/docs/current/runtime-config-resource.html).
    await client.query(`
      set backend_flush_after to '256kB';
      set max_parallel_workers_per_gather to 0;
      set jit to off;
      set statement_timeout to 0;
      set idle_in_transaction_session_timeout to 0;
      set default_transaction_isolation to 'read committed';
      set timezone to 'UTC'`);
    const lock = [`partition ${table}`];
    const deadline = Date.now() + 5_000;
    // The server notices that a killed client is gone when it next writes to it: a moment's patience.
    for (;;) {
      const { rows } = await client.query("select pg_try_advisory_lock(hashtextextended($1, 0)) as taken", lock);
      if (rows[0].taken) break;
      if (Date.now() > deadline)
        throw new UserError(`${table} is being converted by another session`, { fix: "Wait until it has ended." });
      await sleep(100);
    }
    return work({ client, connection, settings });
  });
}

/** Runs work in one transaction. */
export async function inTransaction<T>(client: pg.ClientBase, work: () => Promise<T>): Promise<T> {
  await client.query("begin");
  try {
    const result = await work();
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}

// lock_not_available, deadlock_detected, query_canceled (a statement_timeout of ours).
const worthRetrying = new Set(["55P03", "40P01", "57014"]);
const longestPause = 5_000;

/**
 * Runs short work that needs strong locks in a transaction of its own: a lock that is not had within the budget is given
 * up, so that nobody queues behind us for longer, and tried again after a pause that doubles, with jitter.
 *
 * The locks are not held while the disk, or a synchronous standby, takes its time: the commit does not wait for it. What
 * the log held before is on disk already, and what we commit is afterwards, before this returns. A crash in between
 * loses the end of the log and nothing before it: whatever others committed after us and was told of is never kept
 * without our part, for it comes later in the log.
 * @see https://www.postgresql.org/docs/current/wal-async-commit.html
 * @param what the work in words: "exchange the tables"
 * @throws UserError that names who is in the way when the patience is at its end
 */
export async function withinLockBudget<T>(session: Session, what: string, work: () => Promise<T>): Promise<T> {
  const { client, settings } = session;
  const deadline = Date.now() + settings.patience;
  for (let attempt = 1; ; attempt++) {
    try {
      await flushLog(client);
      const result = await inTransaction(client, async () => {
        await client.query(
          `set local lock_timeout to ${Math.trunc(settings.lockTimeout)}; set local synchronous_commit to off`,
        );
        return work();
      });
      await flushLog(client);
      return result;
    } catch (error) {
      if (!worthRetrying.has((error as { code?: string }).code ?? "")) throw error;
      const holders = await longestTransactions(client);
      if (Date.now() > deadline)
        throw new UserError(`cannot ${what}: no lock within ${settings.lockTimeout} ms in ${attempt} attempts`, {
          why: `Longest at work: ${holders}. Nothing was changed, and what was done before stays.`,
          fix: "End that session or wait for it, and run the command again: it goes on where it stopped.",
          cause: error,
        });
      const pause =
        Math.min(settings.lockTimeout * 2 ** Math.min(attempt, 8), longestPause) * (0.5 + Math.random() / 2);
      if (attempt === 1 || attempt % 10 === 0)
        settings.say(`to ${what} takes a lock that is not free; longest at work: ${holders}; trying again`);
      await sleep(pause);
    }
  }
}

/** Waits until everything that was committed is on disk, by an empty message in the log: a commit that locks nothing. */
async function flushLog(client: pg.ClientBase): Promise<void> {
  await client.query("select pg_logical_emit_message(true, 'postgres-from-code', '')");
}

/** The transactions that have been open longest in this database; without their text, which may hold secrets. */
async function longestTransactions(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query(
    `select format('session %s ("%s", user %s, %s, since %s)', pid, application_name, usename, state,
                   to_char(xact_start, 'YYYY-MM-DD HH24:MI:SS TZ')) as holder
     from pg_stat_activity
     where xact_start is not null and pid <> pg_backend_pid() and datname = current_database()
     order by xact_start limit 2`,
  );
  return rows.map(({ holder }) => holder).join(", ") || "sessions that have ended since";
}

/** How many sessions of this database have a snapshot from before a transaction. */
export async function olderSnapshots(client: pg.ClientBase, xid: string): Promise<number> {
  // backend_xmin has 32 bits; a difference in the same epoch is what counts. What kind of session another role's is,
  // PostgreSQL tells only members of pg_read_all_stats; whoever is told nothing counts it too.
  const { rows } = await client.query(
    `select count(*)::int as older from pg_stat_activity
     where backend_xmin is not null and pid <> pg_backend_pid() and datname = current_database()
       and coalesce(backend_type, 'client backend') = 'client backend' and age(backend_xmin) > age(($1::xid8)::xid)`,
    [xid],
  );
  return rows[0].older;
}

/**
 * Waits until no transaction is left that saw the database before another one.
 * @param xid the other transaction
 * @throws UserError that names them when the patience is at its end
 */
export async function waitForOlderSnapshots(session: Session, xid: string): Promise<void> {
  const { client, settings } = session;
  const deadline = Date.now() + settings.patience;
  for (let told = false; ; told = true) {
    if ((await olderSnapshots(client, xid)) === 0) return;
    const holders = await longestTransactions(client);
    if (Date.now() > deadline)
      throw new UserError("the tables cannot be exchanged: a transaction has seen the database before the copy", {
        why: `It would miss rows in the new table: ${holders}.`,
        fix: "End that session or wait for it, and run the command again: it goes on where it stopped.",
      });
    if (!told) settings.say(`waiting for transactions that began before the copy was complete: ${holders}`);
    await sleep(50);
  }
}
