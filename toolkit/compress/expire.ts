import type { Connection } from "../connection.ts";
import { withDefaults } from "../convert/options.ts";
import { type Session, withinLockBudget, withSession } from "../convert/session.ts";
import { UserError } from "../errors.ts";
import type { Expiry } from "../partitions/policy.ts";
import type { Queryable } from "../queryable.ts";
import { lockPartitions, type PackOptions } from "./pack.ts";
import { latePartition } from "./store.ts";
import { shrinkLate } from "./tidy.ts";
import { damagedChunks } from "./verify.ts";

/** A month of packed prices. Dates as YYYY-MM-DD; `to` is the first day after it. */
export interface PackedMonth {
  /** As the partition of that month is called. */
  name: string;
  /** Its half-year, by the first day. */
  period: string;
  from: string;
  to: string;
}

/**
 * The months that end before or at a date and have packed rows, or rows that were written to packed days later. Whoever may
 * not read what is packed is told of none, and could take none away.
 */
export async function packedMonths(client: Queryable, before: string): Promise<PackedMonth[]> {
  const { rows: found } = await client.query(
    `select coalesce(has_table_privilege(to_regclass('packed.price_history_day'), 'select'), false) as packable,
            to_regclass($1) is not null as late`,
    [`public.${latePartition}`],
  );
  if (!found[0].packable) return [];
  const late = found[0].late ? `union select date from public.${latePartition}` : "";
  const { rows } = await client.query<PackedMonth>(
    `select distinct 'price_history_' || to_char(month, 'YYYY_MM') as name, packed.period_of(month::date)::text as period,
            month::date::text as from, (month + interval '1 month')::date::text as to
     from (select date from packed.price_history_day ${late}) as days
     cross join lateral date_trunc('month', date::timestamp) as month
     where month + interval '1 month' <= $1::date order by "from"`,
    [before],
  );
  return rows;
}

/**
 * Takes the packed months before a date away, each half-year in one transaction: readers find its months before it
 * commits, and not after. What is to be kept or archived is a table of the schema deploy then, with its line in the
 * journal of expired partitions. Of a half-year that is not over, the later months are packed anew.
 * @param options.before YYYY-MM-DD
 * @returns the months
 * @throws UserError when rows are damaged, a table of a month's name is in deploy already, or no lock is had
 */
export function expirePacked(
  connection: Connection,
  options: Pick<PackOptions, "lockTimeout" | "patience" | "say"> & { before: string; action: Expiry },
): Promise<PackedMonth[]> {
  const { before, action, lockTimeout, patience, say = () => {} } = options;
  const settings = withDefaults({ table: "price_history", lockTimeout, patience, say });
  return withSession(connection, settings, "price_history", async (session) => {
    const months = await packedMonths(session.client, before);
    for (const [period, expired] of Map.groupBy(months, (month) => month.period))
      await expirePeriod(session, period, expired, action);
    await shrinkLate(session, before);
    return months;
  });
}

function expirePeriod(session: Session, period: string, months: PackedMonth[], action: Expiry): Promise<void> {
  const { client } = session;
  const [first, last] = [months[0]!, months.at(-1)!];
  return withinLockBudget(session, `take out the packed months from ${first.from}`, async () => {
    const { rows } = await client.query(
      `select greatest(max(date) + 1, $2::date)::text as end from packed.price_history_day where period = $1`,
      [period, last.to],
    );
    const { end } = rows[0];
    await lockPartitions(session, first.from, end);
    const damaged = await damagedChunks(client, period);
    if (damaged.length > 0)
      throw new UserError(`the packed months from ${first.from} cannot go: their half-year is damaged`, {
        why: `These chunks have not the rows that were packed, by stock and half-year: ${damaged.join(", ")}.`,
        fix: "Take their rows from a backup, insert them, and pack again: toolkit compress pack. Then they may go.",
      });
    if (action !== "drop") for (const month of months) await setAside(session, month, action);
    // As when a partition is dropped, what was summed up of these days stays.
    await client.query("select set_config('price_history.rows_only_move', 'on', true)");
    await client.query("delete from public.price_history where date >= $1 and date < $2", [first.from, last.to]);
    await client.query("select packed.pack_price_history($1::date, $2::date, $3::date)", [period, last.to, end]);
  });
}

async function setAside({ client }: Session, { name, from, to }: PackedMonth, action: Expiry): Promise<void> {
  // The name is made of a month: it needs no quotes.
  const table = `deploy.${name}`;
  const { rows } = await client.query("select to_regclass($1) is not null as taken", [table]);
  if (rows[0].taken)
    throw new UserError(`${name} has expired, and cannot go: the schema deploy has a table of that name`, {
      why: "It is what retention kept of this month before; rows that came again would be mixed with it.",
      fix: `Move it elsewhere, or drop it: drop table ${table}. Then retain again.`,
    });
  await client.query(`create table ${table} (like public.price_history including all)`);
  await client.query(
    `insert into ${table} (stock_id, date, open, high, low, close, adjusted_close, volume)
     select stock_id, date, open, high, low, close, adjusted_close, volume from packed.price_history
     where date >= $1 and date < $2 order by stock_id, date`,
    [from, to],
  );
  await client.query(
    `insert into deploy.expired_partition
       (table_schema, table_name, partition_schema, partition_name, partition_oid, from_bound, to_bound, action)
     values ('public', 'price_history', 'public', $1, $2::regclass, $3, $4, $5)`,
    [name, table, from, to, action],
  );
}
