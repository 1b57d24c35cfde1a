import type pg from "pg";
import { UserError } from "../errors.ts";
import type { PriceColumn } from "./layout.ts";

/** What the loader needs to know of the table it fills. */
export interface Target {
  partitioned: boolean;
  /** Whether (stock_id, date) is unique, which ON CONFLICT needs; the first, plain table had no such key. */
  unique: boolean;
  /** The schema of price_history, as SQL writes it. */
  schema: string;
}

/**
 * Finds out what price_history is like in this database.
 * @throws UserError when the database has no such table
 */
export async function findTarget(client: pg.Client): Promise<Target> {
  const { rows } = await client.query<Target>(`
    select c.relkind = 'p' as partitioned,
           exists (select from pg_index i
                   where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indimmediate
                     and i.indpred is null and i.indexprs is null
                     and array(select a.attname::text from pg_attribute a
                               where a.attrelid = c.oid and a.attnum = any (i.indkey) order by 1)
                         = array['date', 'stock_id']) as "unique",
           c.relnamespace::regnamespace::text as schema
    from pg_class c
    where c.oid = to_regclass('price_history') and c.relkind in ('r', 'p') and to_regclass('stocks') is not null`);
  if (rows[0]) return rows[0];
  throw new UserError("the database has no tables stocks and price_history", {
    why: "The migrations have not been applied to it.",
    fix: "Run `npm run up` first, or name the right database.",
  });
}

/** Makes the session's staging table, with the types of price_history, so that values are rounded before comparing. */
export async function createStage(client: pg.Client, columns: PriceColumn[]): Promise<void> {
  await client.query(`
    create temporary table load_stage on commit delete rows as
    select ''::text as symbol, date, ${columns.join(", ")} from price_history with no data`);
  // Over hundreds of partitions the planner's cost passes jit_above_cost, and compiling takes longer than a batch.
  await client.query("set jit = off");
}

/**
 * Creates the monthly partitions that a batch needs: only months that have prices, for one mistyped year must not
 * create hundreds. Runs before the batch's transaction, so that its locks are short.
 * @param ready months that are known to exist; the new ones are added
 */
export async function ensureMonths(client: pg.Client, months: Iterable<string>, ready: Set<string>): Promise<void> {
  const missing = [...months].filter((month) => !ready.has(month));
  if (missing.length === 0) return;
  // Consecutive months share the difference of their number and their rank, and take one call together.
  await client.query(
    `select ensure_partitions('price_history', min(month), max(month))
     from (select month, month - row_number() over (order by month) * interval '1 month' as run
           from unnest($1::date[]) as month) as months
     group by run`,
    [missing.map((month) => `${month}-01`)],
  );
  for (const month of missing) ready.add(month);
}
