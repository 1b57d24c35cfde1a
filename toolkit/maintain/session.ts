import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";

/** Ends a run early: `soon` after the step that is being done, `now` in the middle of it. */
export interface Stop {
  soon: boolean;
  now: boolean;
}

/** What a run works with. */
export interface Session {
  connection: Connection;
  /** Does the work. */
  worker: pg.Client;
  /** Looks, while a statement of the worker runs, who waits for it. */
  watcher: pg.Client;
  /** The worker's server process. */
  pid: number;
  /** Whether a standby repeats what is done here. */
  hasStandby: boolean;
  stop: Stop;
  /** When no statement may run any more, by Date.now(). */
  deadline: number;
  say: (line: string) => void;
}

export interface SessionOptions {
  /** Milliseconds that the whole run may take. */
  budget: number;
  /** Bytes per second that vacuum and analyze may write. */
  writeRate: number;
  stop: Stop;
  say: (line: string) => void;
}

// Milliseconds. Nobody waits in the queue behind a lock that we wait for longer than this.
const lockTimeout = 1_000;
// The server notices that a killed client is gone when it next writes to it: a moment's patience.
const [otherRunWait, otherRunPoll] = [2_000, 100];

/*
 * Vacuum sleeps for the delay whenever it has used up the limit; a page that it makes dirty costs 20, one that it reads
 * from the disk 2. So at most a tenth of what it may read is written.
 * https://www.postgresql.org/docs/current/runtime-config-vacuum.html#RUNTIME-CONFIG-RESOURCE-VACUUM-COST
 */
const [costDelay, dirtyPageCost] = [2, 20];
const [leastCostLimit, mostCostLimit] = [1, 10_000];

/** vacuum_cost_limit for a number of bytes per second that are written, at a delay of 2 ms. */
export function costLimit(writeRate: number, pageBytes: number): number {
  const limit = Math.round((writeRate / pageBytes) * dirtyPageCost * (costDelay / 1_000));
  return Math.min(Math.max(limit, leastCostLimit), mostCostLimit);
}

/**
 * Opens the sessions of a run; only one does at a time in a database.
 * @throws UserError when another one is at work, or on a standby
 */
export function withSession<T>(
  connection: Connection,
  { budget, writeRate, stop, say }: SessionOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const deadline = Date.now() + budget;
  const open = <R>(use: (client: pg.Client) => Promise<R>) =>
    withClient(connection, { applicationName: "postgres-from-code maintain" }, use);
  return open(async (worker) => {
    const { rows } = await worker.query(
      `select pg_backend_pid() as pid, pg_is_in_recovery() as standby, current_setting('block_size')::int as "pageBytes",
              exists (select from pg_stat_replication) as "hasStandby"`,
    );
    const { pid, standby, pageBytes, hasStandby } = rows[0];
    if (standby)
      throw new UserError("this server is a standby: there is nothing to maintain", {
        why: "It repeats what its primary does, vacuum and analyze included.",
        fix: "Point DATABASE_URL at the primary.",
      });
    await takeTurn(worker);
    // Timeouts of the role are for the application.
    await worker.query(`
      set lock_timeout = ${lockTimeout}; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0;
      set vacuum_cost_delay = ${costDelay}; set vacuum_cost_limit = ${costLimit(writeRate, pageBytes)};
      set client_min_messages = warning`);
    return open((watcher) => work({ connection, worker, watcher, pid, hasStandby, stop, deadline, say }));
  });
}

// Never by waiting in pg_advisory_lock: a session that does so blocks REINDEX CONCURRENTLY for ever.
async function takeTurn(client: pg.ClientBase): Promise<void> {
  for (const until = Date.now() + otherRunWait; ; await sleep(otherRunPoll)) {
    const { rows } = await client.query(
      "select pg_try_advisory_lock(hashtextextended('postgres-from-code maintain', 0)) as taken",
    );
    if (rows[0].taken) return;
    if (Date.now() > until)
      throw new UserError("another run of maintenance is at work on this database", {
        fix: "Wait until it has ended; a lower --budget keeps runs from overlapping.",
      });
  }
}
