import type pg from "pg";
import { UserError } from "../errors.ts";
import type { Conversion } from "./journal.ts";
import { namesFor } from "./names.ts";
import { type Session, withinLockBudget } from "./session.ts";

// A table has a file and a lock for each partition and index; the manual advises against many thousands.
const mostMonths = 3_000;

/**
 * Makes the monthly partitions of the dates that a query finds, where they are missing. They are made in the schema in
 * which the table ends up; only months that have rows, for one mistyped year must not make hundreds.
 * @param dates SQL that gives a column `date`
 * @throws UserError when a date has no month, or when there would be too many
 * @see https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-BEST-PRACTICES
 */
export async function makeMonths(
  session: Session,
  conversion: Conversion,
  dates: string,
  values: unknown[] = [],
): Promise<void> {
  const { client } = session;
  const { shape } = conversion;
  const { shadow } = namesFor(shape);
  const { rows } = await client.query<{ month: string | null }>(
    `select distinct case when isfinite(date) then date_trunc('month', date::timestamp)::date::text end as month
     from (${dates}) as dates order by month`,
    values,
  );
  if (rows.some(({ month }) => month === null))
    throw new UserError(`${shape.name} has rows whose ${conversion.column} is infinite`, {
      why: "Infinity is in no month.",
      fix: "Correct those rows, and run the command again.",
    });
  const present = await presentMonths(client, conversion);
  const missing = rows.map(({ month }) => month!).filter((month) => !present.has(month));
  if (present.size + missing.length > mostMonths)
    throw new UserError(`${shape.name} has rows of more than ${mostMonths} months`, {
      why: "Each is a partition; with so many, planning a query takes longer than running it.",
      fix: "Look for mistyped years.",
    });
  for (const month of missing)
    await withinLockBudget(session, `make the partition of ${month.slice(0, 7)}`, async () => {
      await client.query(await partition(client, conversion, shadow, month));
    });
}

async function presentMonths(client: pg.ClientBase, { partitioned }: Conversion): Promise<Set<string>> {
  const { rows } = await client.query<{ month: string }>(
    `select substring(pg_get_expr(relpartbound, c.oid) from 'FROM [(]''(\\d+-\\d\\d-\\d\\d)') as month
     from pg_inherits join pg_class c on c.oid = inhrelid where inhparent = $1`,
    [partitioned],
  );
  return new Set(rows.map(({ month }) => month));
}

/** A partition has the storage parameters of the plain table; a partitioned table takes none. */
async function partition(client: pg.ClientBase, { shape, plain }: Conversion, shadow: string, month: string) {
  const { rows } = await client.query<{ name: string; taken: boolean; sql: string }>(
    `select name, to_regclass(name) is not null as taken,
            format('create table %s partition of %s for values from (%L) to (%L)%s', name, $1::text, $2::date,
                   ($2::date + interval '1 month')::date, ' with (' || options || ')') as sql
     from format('%s.%I', $3::text, $4 || to_char($2::date, '_YYYY_MM')) as name,
          (select string_agg(format('%I = %L', option_name, option_value), ', ') as options
           from pg_class, pg_options_to_table(reloptions) where oid = $5) as parameters`,
    [shadow, month, shape.schema, shape.baseName, plain],
  );
  const { name, taken, sql } = rows[0]!;
  if (taken)
    throw new UserError(`the table ${name} is in the way`, {
      why: `The partition of ${month.slice(0, 7)} gets its name.`,
      fix: "Rename it, or drop it if nobody needs it, and run the command again.",
    });
  return sql;
}

/** Whether a row found no partition; a check that a row violates has a name. */
export function lacksPartition(error: unknown): boolean {
  const { code, constraint } = error as { code?: string; constraint?: string };
  return code === "23514" && !constraint;
}
