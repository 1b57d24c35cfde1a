import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { olderSnapshots, type Session, withinLockBudget } from "../convert/session.ts";
import { ensureTrigger } from "./pack.ts";
import { latePartition, partitionsBefore } from "./store.ts";

// It is only worth a moment's wait: nothing is wrong before it is done, and the next run tries again.
const longestWait = 10_000;

/**
 * Puts one partition, for what is written to packed days later, in the place of the emptied monthly ones: planning a
 * query over hundreds of empty tables takes longer than reading the packed rows. It waits until no snapshot is left that
 * sees their rows.
 * @returns whether it is done; where late rows came meanwhile, or a snapshot stays open, the next run does it
 */
export async function tidy(session: Session, cutoff: string): Promise<boolean> {
  const { client } = session;
  const before = await partitionsBefore(client, cutoff);
  if (before.every(({ late }) => late)) return true;
  if (before.some(({ filled }) => filled)) return postponed(session, "rows were written to packed days meanwhile");
  if (!(await olderSnapshotsEnded(session)))
    return postponed(session, "a transaction is open that began before the rows were packed");
  return withinLockBudget(session, "remove the emptied partitions", async () => {
    await client.query("lock table public.price_history in access exclusive mode");
    const partitions = await partitionsBefore(client, cutoff);
    if (partitions.some(({ filled }) => filled))
      return postponed(session, "rows were written to packed days meanwhile");
    for (const { name } of partitions) await client.query(`drop table ${name}`);
    await createLate(session, partitions[0]!.from, partitions.at(-1)!.to);
    return true;
  });

  function postponed({ settings: { say } }: Session, why: string): false {
    say(`the emptied partitions stay for now: ${why}; the next run removes them`);
    return false;
  }
}

/**
 * Lets the partition for late rows begin later, when the packed months before a day have gone: a row that is written to
 * them is refused then, as it is where a partition was dropped, and an archive of them can be restored. Where it cannot
 * be done now, the next time does it.
 */
export async function shrinkLate(session: Session, before: string): Promise<void> {
  const { client, settings } = session;
  const { rows } = await client.query("select date_trunc('month', $1::timestamp)::date::text as start", [before]);
  const { start } = rows[0];
  const bounds = await lateBounds(session);
  if (!bounds || bounds.from >= start) return;
  const postponed = (why: string) =>
    settings.say(`${latePartition} still takes rows of the months that went: ${why}; the next run changes that`);
  if (!(await olderSnapshotsEnded(session))) return postponed("a transaction is open that began before they did");
  await withinLockBudget(session, "shrink the partition for late rows", async () => {
    await client.query("lock table public.price_history in access exclusive mode");
    const late = await client.query(`select from public.${latePartition} limit 1`);
    if (late.rows.length > 0) return postponed("rows of later months wait in it to be packed");
    await client.query(`drop table public.${latePartition}`);
    if (start < bounds.to) await createLate(session, start, bounds.to);
  });
}

/** What the partition for late rows covers; undefined where there is none. */
export async function lateBounds({ client }: Session): Promise<{ from: string; to: string } | undefined> {
  const { rows } = await client.query(
    `select from_date::text as from, to_date::text as to from partition_bounds('public.price_history')
     where partition = to_regclass($1)`,
    [`public.${latePartition}`],
  );
  return rows[0];
}

/** Makes the partition for what is written to packed days, from one date to before another. */
export async function createLate(session: Session, from: string, to: string): Promise<void> {
  const literal = pg.escapeLiteral;
  await session.client.query(
    `create table public.${latePartition} partition of public.price_history
     for values from (${literal(from)}) to (${literal(to)})`,
  );
  await ensureTrigger(session, `public.${latePartition}`);
}

/** Waits until the snapshots that are open now have ended. */
export async function olderSnapshotsEnded({ client, settings }: Session): Promise<boolean> {
  const { rows } = await client.query("select pg_current_xact_id()::text as xid");
  const deadline = Date.now() + Math.min(longestWait, settings.patience);
  for (;;) {
    if ((await olderSnapshots(client, rows[0].xid)) === 0) return true;
    if (Date.now() > deadline) return false;
    await sleep(50);
  }
}
