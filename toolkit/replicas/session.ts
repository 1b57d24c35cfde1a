import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { formatLsn, parseLsn } from "./lsn.ts";

/** One user's sequence of reads and writes: each of its reads sees all of its acknowledged writes. */
export class Session {
  /** Where the newest of its writes ends in the log; 0 before the first. */
  position: bigint;
  /** A write whose end is not known: it failed, or the primary was lost. Reads go to the primary until the next one. */
  uncertain = false;

  /** @param after the `lsn` of a session elsewhere, whose writes this one shall see */
  constructor(after?: string) {
    this.position = after === undefined ? 0n : parseLsn(after);
  }

  /** What hands the session on to another process: "16/B374D848". */
  get lsn(): string {
    return formatLsn(this.position);
  }

  /** Notes that a write has ended here. */
  wrote(position: bigint): void {
    if (position > this.position) this.position = position;
    this.uncertain = false;
  }
}

// Milliseconds between looks at how far a replica is.
const [firstPause, longestPause] = [1, 10];
// A connection lives in one run of its server, and what that has replayed it does not lose: a restart may go back.
const replayed = new WeakMap<pg.ClientBase, bigint>();

/** Where the log ends now: not before the commit that was acknowledged, wherever on this server that happened. */
export async function endOfLog(client: Pick<pg.ClientBase, "query">): Promise<bigint> {
  // Not pg_current_wal_lsn(): with synchronous_commit = off a commit is acknowledged before it is written.
  const { rows } = await client.query<{ position: string }>("select pg_current_wal_insert_lsn()::text as position");
  return parseLsn(rows[0]!.position);
}

/**
 * Waits until the replica of a connection has replayed up to a position.
 * @param timeout milliseconds
 * @returns whether it has
 */
export async function waitForReplay(client: pg.ClientBase, position: bigint, timeout: number): Promise<boolean> {
  const started = performance.now();
  for (let pause = firstPause; (replayed.get(client) ?? 0n) < position; pause = Math.min(2 * pause, longestPause)) {
    const { rows } = await client.query<{ position: string | null }>(
      "select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() end::text as position",
    );
    const reached = rows[0]!.position;
    if (reached === null) return false;
    replayed.set(client, parseLsn(reached));
    if (parseLsn(reached) >= position) break;
    if (performance.now() - started >= timeout) return false;
    await sleep(pause);
  }
  return true;
}
