import { UserError } from "../errors.ts";
import type { Queryable } from "../queryable.ts";

/** A partition of price_history. Dates as YYYY-MM-DD; `to` is the first day after it. */
export interface Partition {
  name: string;
  from: string;
  to: string;
  bytes: number;
  /** Whether it has any row. */
  filled: boolean;
  /** Whether it is the one that stands for all packed months, and takes what is written to them. */
  late: boolean;
}

/** What is packed of a half-year. */
export interface Period {
  period: string;
  rows: number;
  chunks: number;
  from: string;
  to: string;
}

/** The partition that covers the packed range in place of the monthly ones. */
export const latePartition = "price_history_late";

/**
 * Makes sure that the database has a place for packed rows.
 * @throws UserError where it has not
 */
export async function requireStore(client: Queryable): Promise<void> {
  const { rows } = await client.query("select to_regclass('packed.price_history_chunk') is not null as present");
  if (!rows[0].present)
    throw new UserError("this database has no place for packed prices", {
      why: "The migration 0024_packed_prices, which makes it, is not applied.",
      fix: "Apply the migrations: npm run up.",
    });
}

/** The partitions of price_history whose last day is before a date, the oldest first. */
export async function partitionsBefore(client: Queryable, cutoff: string): Promise<Partition[]> {
  const { rows } = await client.query(
    `select partition::text as name, from_date::text as from, to_date::text as to,
            pg_total_relation_size(partition)::float8 as bytes, c.relname = $2 as late
     from partition_bounds('public.price_history') join pg_class c on c.oid = partition
     where to_date <= $1::date and from_date > '-infinity' order by from_date`,
    [cutoff, latePartition],
  );
  if (rows.length === 0) return [];
  // The names come from PostgreSQL, which has quoted them where that is needed.
  const filled = await client.query<{ name: string }>(
    rows.map(({ name }, index) => `select ${index} as name where exists (select from ${name})`).join(" union all "),
  );
  const indexes = new Set(filled.rows.map(({ name }) => Number(name)));
  return rows.map((row, index) => ({ ...row, filled: indexes.has(index) }));
}

/** The half-years of which something is packed, the oldest first. */
export async function packedPeriods(client: Queryable): Promise<Period[]> {
  const { rows } = await client.query(
    `select period::text, sum(rows)::float8 as rows, count(*)::int as chunks,
            (select min(date)::text from packed.price_history_day d where d.period = c.period) as from,
            (select max(date)::text from packed.price_history_day d where d.period = c.period) as to
     from packed.price_history_chunk c group by c.period order by c.period`,
  );
  return rows;
}

/**
 * The date before which partitions are old.
 * @param olderThan an interval as PostgreSQL reads it: "2 years"
 * @throws UserError with exit code 2 when it is none, or does not lie in the past
 */
export async function cutoffOf(client: Queryable, olderThan: string): Promise<string> {
  const fix = "Write it as PostgreSQL does: '2 years', '18 months', '90 days'.";
  const { rows } = await client
    .query("select (current_date - $1::interval)::date::text as cutoff, $1::interval >= '0' as past", [olderThan])
    .catch((error) => {
      // invalid_datetime_format, datetime_field_overflow, interval_field_overflow.
      if (!["22007", "22008", "22015"].includes((error as { code?: string }).code ?? "")) throw error;
      throw new UserError(`"${olderThan}" is not an age`, { fix, exitCode: 2, cause: error });
    });
  if (!rows[0].past) throw new UserError(`the age "${olderThan}" is negative`, { fix, exitCode: 2 });
  return rows[0].cutoff;
}
