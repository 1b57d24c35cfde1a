import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { type Connection, connect } from "../connection.ts";
import { messageOf, UserError } from "../errors.ts";
import type { Overrides } from "../monitor/thresholds.ts";
import { tidyHistory } from "./prune.ts";
import { type Recorded, recordSnapshot } from "./record.ts";
import { ensureHistory } from "./schema.ts";

export interface RecorderOptions {
  /** Milliseconds between two snapshots. */
  interval: number;
  limits?: Overrides;
  /** Ends it after the snapshot that it is at. */
  signal: AbortSignal;
  /** Hears of every record. */
  recorded(record: Recorded): void;
  say(line: string): void;
}

// What there is for each table and statement changes slowly, and is most of the bytes.
const manyInterval = 60_000;
const tidyInterval = 5 * 60_000;
// A server that restarts is back in seconds; one that is down should not be knocked at all the time.
const [firstPause, longestPause] = [1_000, 60_000];
const statementTimeout = 30_000;

/**
 * Opens a session that records. Only one does in a database, for two would count everything twice.
 * @throws UserError when another one is at it, and what {@link ensureHistory} throws
 */
async function openSession(connection: Connection): Promise<pg.Client> {
  const client = await connect(connection, { applicationName: "record", statementTimeout });
  try {
    const { rows } = await client.query(
      "select pg_try_advisory_lock(hashtextextended('postgres-from-code record', 0)) as taken",
    );
    if (!rows[0].taken)
      throw new UserError("this database is recorded already", {
        why: "Another session of `toolkit record` is at it.",
        fix: "Leave it to that one, or end it first: its application_name in pg_stat_activity is record.",
      });
    await ensureHistory(client);
    await tidyHistory(client);
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}

/** Records once, with everything. @throws what {@link openSession} throws */
export async function recordOnce(connection: Connection, limits: Overrides): Promise<Recorded> {
  const client = await openSession(connection);
  try {
    return await recordSnapshot(client, { limits });
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * Records until it is told to end. A server that restarts, fails over or refuses for a while is waited for; what was
 * missed is missing.
 * @throws what {@link openSession} throws at the first time, when nothing was recorded yet
 */
export async function keepRecording(connection: Connection, options: RecorderOptions): Promise<void> {
  let client: pg.Client | undefined = await openSession(connection);
  let [pause, manyAt, tidyAt] = [firstPause, 0, Date.now() + tidyInterval];
  const calls = new Map<string, number>();
  try {
    for (let due = Date.now(); !options.signal.aborted; ) {
      try {
        client ??= await openSession(connection);
        // A little early counts as due: timers are not exact.
        const many = Date.now() >= manyAt - options.interval / 2;
        if (many) manyAt = Date.now() + manyInterval;
        options.recorded(await recordSnapshot(client, { limits: options.limits ?? {}, many, calls }));
        if (Date.now() >= tidyAt) {
          tidyAt = Date.now() + tidyInterval;
          await tidyHistory(client);
        }
        pause = firstPause;
        // Missed ones are not made up for.
        due = Math.max(due + options.interval, Date.now());
      } catch (error) {
        options.say(`not recorded: ${messageOf(error).split("\n")[0]}; again in ${pause / 1000} s`);
        await client?.end().catch(() => {});
        client = undefined;
        due = Date.now() + pause;
        pause = Math.min(pause * 2, longestPause);
      }
      await sleep(due - Date.now(), undefined, { signal: options.signal }).catch(() => {});
    }
  } finally {
    await client?.end().catch(() => {});
  }
}
