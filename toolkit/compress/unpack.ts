import pg from "pg";
import type { Connection } from "../connection.ts";
import { withDefaults } from "../convert/options.ts";
import { type Session, withinLockBudget, withSession } from "../convert/session.ts";
import { UserError } from "../errors.ts";
import { type PackOptions, packPeriod } from "./pack.ts";
import { latePartition, packedPeriods, partitionsBefore, requireStore } from "./store.ts";
import { createLate, lateBounds, olderSnapshotsEnded, tidy } from "./tidy.ts";

/** What was unpacked, or would be. */
export interface Unpacked {
  periods: { period: string; rows: number }[];
}

/**
 * Makes packed rows plain ones again, in monthly partitions as before, the newest half-year first. Each half-year is one
 * transaction: its partitions are filled aside, compared with the checksum of the packed rows, and attached.
 * @param options.from the first day to unpack, YYYY-MM-DD; its whole half-year is. Everything when left out.
 * @throws UserError when a lock is not had, a snapshot stays open, or the rows are not those that were packed
 */
export async function unpack(
  connection: Connection,
  options: Omit<PackOptions, "olderThan"> & { from?: string },
): Promise<Unpacked> {
  const { lockTimeout, patience, say = () => {}, progress = () => {} } = options;
  const settings = withDefaults({ table: "price_history", lockTimeout, patience, say });
  return withSession(connection, settings, "price_history", async (session) => {
    const { client } = session;
    await requireStore(client);
    const { rows } = await client.query("select coalesce(packed.period_of($1::date)::text, '') as first", [
      options.from ?? null,
    ]);
    const periods = (await packedPeriods(client)).filter(({ period }) => period >= rows[0].first).toReversed();
    if (options.dryRun) return { periods: periods.map(({ period, rows }) => ({ period, rows })) };
    const done: Unpacked["periods"] = [];
    for (const { period } of periods) {
      progress(done.length, periods.length, period);
      await leaveOnlyLate(session, periods[0]!.to);
      done.push({ period, rows: await unpackPeriod(session, period) });
      progress(done.length, periods.length, period);
    }
    return { periods: done };
  });
}

/** Packs late rows, so that the partition for them is empty, and no snapshot sees a row in it. */
async function leaveOnlyLate(session: Session, lastDay: string): Promise<void> {
  const { client } = session;
  const { rows } = await client.query(
    `select (max(to_date))::text as before from partition_bounds('public.price_history')
     where from_date <= $1::date or partition = to_regclass($2)`,
    [lastDay, `public.${latePartition}`],
  );
  const late = (await partitionsBefore(client, rows[0].before)).filter(({ filled, late }) => filled && late);
  for (const { name, to } of late) {
    const found = await client.query(`select distinct packed.period_of(date)::text as period from ${name}`);
    for (const { period } of found.rows) await packPeriod(session, period, to);
  }
  const partition = await lateBounds(session);
  const tidied = partition ? await olderSnapshotsEnded(session) : await tidy(session, rows[0].before);
  if (!tidied)
    throw new UserError("nothing more can be unpacked now", {
      why: "A transaction is open that began before the last rows were packed; it would miss rows.",
      fix: "End that session or wait for it, and run the command again: it goes on where it stopped.",
    });
}

function unpackPeriod(session: Session, period: string): Promise<number> {
  return withinLockBudget(session, `unpack the half-year from ${period}`, async () => {
    const { client } = session;
    await client.query("lock table only public.price_history in share update exclusive mode");
    await client.query(`lock table public.${latePartition} in share row exclusive mode`);
    const bounds = (await lateBounds(session))!;
    const months = await fillMonths(session, period, bounds);
    const rows = await compare(session, period, months);
    await client.query("lock table public.price_history in access exclusive mode");
    const late = await client.query(`select exists (select from public.${latePartition}) as filled`);
    if (late.rows[0].filled) throw Object.assign(new Error("late rows came meanwhile"), { code: "55P03" });
    await client.query(`drop table public.${latePartition}`);
    for (const { name, from, to } of months)
      await client.query(
        `alter table public.price_history attach partition public.${name}
         for values from (${pg.escapeLiteral(from)}) to (${pg.escapeLiteral(to)})`,
      );
    await client.query("delete from packed.price_history_chunk where period = $1", [period]);
    await client.query("delete from packed.price_history_day where period = $1", [period]);
    const { rows: left } = await client.query("select exists (select from packed.price_history_chunk) as packed");
    const start = months[0]!.from;
    if (left[0].packed && bounds.from < start) await createLate(session, bounds.from, start);
    return rows;
  });
}

/** Makes the months from a half-year's first to the end of the packed range, not yet attached, and fills them. */
async function fillMonths({ client }: Session, period: string, bounds: { from: string; to: string }) {
  const { rows: months } = await client.query<{ name: string; from: string; to: string }>(
    `select 'price_history_' || to_char(month, 'YYYY_MM') as name, month::date::text as from,
            (month + interval '1 month')::date::text as to
     from generate_series(greatest($1::date, $2::date)::timestamp, $3::date - 1, '1 month') as month`,
    [period, bounds.from, bounds.to],
  );
  for (const { name, from, to } of months) {
    await client.query(`create table public.${name} (like public.price_history including all)`);
    await client.query(
      `insert into public.${name} select * from packed.price_history_packed
       where date >= $1::date and date < $2::date order by stock_id, date`,
      [from, to],
    );
  }
  return months;
}

/** @returns the number of rows */
async function compare({ client }: Session, period: string, months: { name: string }[]): Promise<number> {
  const { rows } = await client.query(
    `select f.rows::float8, (f.rows, f.checksum) is not distinct from (c.rows, c.checksum) as same
     from (select count(*) as rows, bit_xor(packed.price_history_hash(stock_id, date, open, high, low, close,
                                                                       adjusted_close, volume)) as checksum
           from (${months.map(({ name }) => `select * from public.${name}`).join(" union all ")}) as months) f,
          (select coalesce(sum(rows), 0)::bigint as rows, bit_xor(checksum) as checksum
           from packed.price_history_chunk where period = $1) c`,
    [period],
  );
  if (rows[0].same) return rows[0].rows;
  throw new UserError(`the half-year from ${period} does not unpack to the rows that were packed`, {
    why: "The checksum of its rows is another: chunks were changed by hand, or are damaged.",
    fix: "Find them: toolkit compress verify. Take their rows from a backup.",
  });
}
