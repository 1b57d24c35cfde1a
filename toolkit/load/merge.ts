import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { UserError } from "../errors.ts";
import type { Batch } from "./batches.ts";
import type { PriceColumn } from "./layout.ts";

/** What became of a batch's prices. */
export interface Merged {
  inserted: number;
  updated: number;
  unchanged: number;
}

/** What the loader needs to know of the table it fills. */
export interface Target {
  partitioned: boolean;
  /** Whether (stock_id, date) is unique, which ON CONFLICT needs; the first, plain table had no such key. */
  unique: boolean;
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
                         = array['date', 'stock_id']) as "unique"
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
export async function ensureMonths(client: pg.Client, batch: Batch, ready: Set<string>): Promise<void> {
  const missing = [...batch.months].filter((month) => !ready.has(month)).map((month) => `${month}-01`);
  if (missing.length === 0) return;
  // Consecutive months share the difference of their number and their rank, and take one call together.
  await client.query(
    `select ensure_partitions('price_history', min(month), max(month))
     from (select month, month - row_number() over (order by month) * interval '1 month' as run
           from unnest($1::date[]) as month) as months
     group by run`,
    [missing],
  );
  for (const month of batch.months) ready.add(month);
}

/**
 * Stores a batch's prices, inside the open transaction: straight into price_history where it has none of these stocks
 * in these days, as of a new file or a new day; otherwise by way of the staging table.
 */
export async function storePrices(
  client: pg.Client,
  batch: Batch,
  columns: PriceColumn[],
  target: Target,
): Promise<Merged> {
  if (batch.prices.size === 0) return { inserted: 0, updated: 0, unchanged: 0 };
  const stocks = await lockStocks(client, [...batch.symbols]);
  const where = [batch.firstDate, batch.lastDate, [...stocks.values()]];
  if (await copyStraight(client, batch, columns, stocks, where))
    return { inserted: batch.prices.size, updated: 0, unchanged: 0 };
  await copy(client, `load_stage (symbol, date, ${columns.join(", ")})`, batch.prices.values());
  const { rows } = await client.query<{ inserted: number; updated: number }>(mergeStatement(columns, target), where);
  const { inserted, updated } = rows[0]!;
  return { inserted, updated, unchanged: batch.prices.size - inserted - updated };
}

/**
 * Copies prices into price_history if it has none in their place: comparing would take as long again as storing.
 * @returns false where it has some, or where somebody who does not lock the stocks stores one at this moment
 */
async function copyStraight(
  client: pg.Client,
  batch: Batch,
  columns: PriceColumn[],
  stocks: Map<string, number>,
  where: unknown[],
): Promise<boolean> {
  const { rows } = await client.query<{ known: boolean }>(
    "select exists (select from price_history where date between $1 and $2 and stock_id = any ($3)) as known",
    where,
  );
  if (rows[0]!.known) return false;
  await client.query("savepoint copy_straight");
  try {
    await copy(client, `price_history (stock_id, date, ${columns.join(", ")})`, inKeyOrder(batch, stocks));
    await client.query("release savepoint copy_straight");
    return true;
  } catch (error) {
    if ((error as pg.DatabaseError).code !== "23505") throw error;
    await client.query("rollback to savepoint copy_straight");
    return false;
  }
}

/** A batch's lines with ids for symbols, ordered by id and date, so that what is read together lies together. */
function* inKeyOrder(batch: Batch, stocks: Map<string, number>): Generator<string> {
  const bySymbol = new Map<string, string[]>([...stocks.keys()].map((symbol) => [symbol, []]));
  for (const line of batch.prices.values()) {
    const end = line.indexOf("\t");
    bySymbol.get(line.slice(0, end))!.push(line.slice(end));
  }
  // A line goes on with its date, of which a stock has each once: the order of the texts is that of the dates.
  for (const [symbol, lines] of bySymbol) for (const line of lines.sort()) yield `${stocks.get(symbol)}${line}`;
}

async function copy(client: pg.Client, into: string, lines: Iterable<string>): Promise<void> {
  await pipeline(Readable.from(copyBlocks(lines)), client.query(copyFrom(`copy ${into} from stdin`)));
}

/**
 * Creates the stocks that are new, and locks all of the batch until it commits: two loads of one symbol take turns, so
 * that neither counts the other's prices as its own nor, without a key, inserts a day twice. In one order, lest two
 * loads of many symbols wait for each other. Foreign keys to these stocks are not held up by this kind of lock.
 * @returns the ids by symbol, in their order
 */
async function lockStocks(client: pg.Client, symbols: string[]): Promise<Map<string, number>> {
  await client.query(
    `insert into stocks (symbol, name)
     select n.symbol, n.symbol from unnest($1::text[]) as n (symbol)
     where not exists (select from stocks k where k.symbol = n.symbol)
     order by n.symbol
     on conflict (symbol) do nothing`,
    [symbols],
  );
  const { rows } = await client.query<{ symbol: string; id: number }>(
    "select symbol, id from stocks where symbol = any ($1) order by id for no key update",
    [symbols],
  );
  return new Map(rows.map(({ symbol, id }) => [symbol, id]));
}

/**
 * Compares first and writes only what is new or different: ON CONFLICT alone would lock, and so rewrite, every row
 * that is already there. The dates and stocks say nothing new, but keep the comparison off the rest of the table.
 */
function mergeStatement(columns: PriceColumn[], target: Target): string {
  const list = columns.join(", ");
  const of = (table: string) => `row(${columns.map((column) => `${table}.${column}`).join(", ")})`;
  const set = (table: string) => columns.map((column) => `${column} = ${table}.${column}`).join(", ");
  const write = target.unique
    ? `written as (
         insert into price_history (stock_id, date, ${list})
         select stock_id, date, ${list} from fresh order by stock_id, date
         on conflict (stock_id, date) do update set ${set("excluded")}
         where ${of("price_history")} is distinct from ${of("excluded")})`
    : `added as (
         insert into price_history (stock_id, date, ${list})
         select stock_id, date, ${list} from fresh where not known order by stock_id, date),
       corrected as (
         update price_history p set ${set("f")} from fresh f
         where f.known and p.stock_id = f.stock_id and p.date = f.date and p.stock_id = any ($3))`;
  return `
    with fresh as materialized (
      select k.id as stock_id, s.*, p.stock_id is not null as known
      from load_stage s
      join stocks k on k.symbol = s.symbol
      left join price_history p
        on p.stock_id = k.id and p.date = s.date and p.date between $1 and $2 and p.stock_id = any ($3)
      where p.stock_id is null or ${of("p")} is distinct from ${of("s")}),
    ${write}
    select count(*) filter (where not known)::int as inserted, count(*) filter (where known)::int as updated
    from fresh`;
}

const blockLines = 1_000;

function* copyBlocks(all: Iterable<string>): Generator<string> {
  let lines: string[] = [];
  for (const line of all) {
    lines.push(line);
    if (lines.length < blockLines) continue;
    yield `${lines.join("\n")}\n`;
    lines = [];
  }
  if (lines.length > 0) yield `${lines.join("\n")}\n`;
}
