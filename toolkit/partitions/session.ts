import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { type Watch, watchBlockers } from "../migrate/blockers.ts";
import { withLockRetries } from "../migrate/retry.ts";
import { nothingMeasured } from "../migrate/steps.ts";

/** What all work on partitions may be told. */
export interface PartitionOptions {
  /** Milliseconds that a statement waits for a lock, and so keeps others waiting, before it tries again; 200. */
  lockTimeout?: number;
  /** Milliseconds to wait for older transactions before a default partition is exchanged; ten minutes. */
  patience?: number;
  /** Gets a line for people about each thing that happens. */
  say?: (line: string) => void;
}

/** A session that works on partitions; only one does at a time in a database. */
export interface Session extends Required<PartitionOptions> {
  client: pg.Client;
  connection: Connection;
  watch: Watch;
}

const [defaultLockTimeout, defaultPatience] = [200, 600_000];
// The server notices that a killed client is gone when it next writes to it: a moment's patience.
const otherSessionWait = 5_000;
const [lookInterval, lockInterval] = [250, 100];

/**
 * Opens the session.
 * @throws UserError when another one works on partitions
 */
export function withSession<T>(
  connection: Connection,
  options: PartitionOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const { lockTimeout = defaultLockTimeout, patience = defaultPatience, say = () => {} } = options;
  return withClient(connection, { applicationName: "postgres-from-code partitions" }, async (client) => {
    // Timeouts of the role are for the application.
    await client.query(`
      set statement_timeout to 0;
      set idle_in_transaction_session_timeout to 0;
      set default_transaction_isolation to 'read committed'`);
    await takeTurn(client);
    const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    const watch = watchBlockers(connection, rows[0]!.pid, { interval: lookInterval });
    try {
      return await work({ client, connection, watch, lockTimeout, patience, say });
    } finally {
      await watch.stop();
    }
  });
}

async function takeTurn(client: pg.ClientBase): Promise<void> {
  for (const deadline = Date.now() + otherSessionWait; ; await sleep(lockInterval)) {
    const { rows } = await client.query(
      "select pg_try_advisory_lock(hashtextextended('postgres-from-code partitions', 0)) as taken",
    );
    if (rows[0].taken) return;
    if (Date.now() > deadline)
      throw new UserError("another session works on the partitions of this database", {
        fix: "Wait until it has ended, and run the command again.",
      });
  }
}

/** Runs work in one transaction. */
export async function inTransaction<T>(client: pg.ClientBase, work: () => Promise<T>, begin = "begin"): Promise<T> {
  await client.query(begin);
  try {
    const result = await work();
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}

/**
 * Runs short work that takes strong locks in a transaction of its own, and again when a lock is not had in time.
 * @param name what is done, as the subject of a message: "attaching prices_2024_05"
 * @throws UserError that names who is in the way
 */
export async function withinLockTimeout<T>(session: Session, name: string, work: () => Promise<T>): Promise<T> {
  const { client } = session;
  let result: T | undefined;
  await retried(session, name, async () => {
    result = await inTransaction(client, async () => {
      await client.query(`set local lock_timeout to ${Math.trunc(session.lockTimeout)}`);
      return work();
    });
  });
  return result as T;
}

/** The same for a statement that cannot run in a transaction. */
export async function withinLockTimeoutAlone(session: Session, name: string, work: () => Promise<void>): Promise<void> {
  const { client, lockTimeout } = session;
  await client.query(`set lock_timeout to ${Math.trunc(lockTimeout)}`);
  try {
    await retried(session, name, work);
  } finally {
    await client.query("reset lock_timeout").catch(() => {});
  }
}

function retried({ lockTimeout, watch, say }: Session, name: string, work: () => Promise<void>): Promise<void> {
  return withLockRetries({ name, lockTimeout, watch, measured: nothingMeasured(), say }, work);
}
