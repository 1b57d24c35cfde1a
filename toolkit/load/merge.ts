import type pg from "pg";
import type { Batch } from "./batches.ts";
import { bySymbol, copy, inKeyOrder } from "./copy.ts";
import type { PriceColumn } from "./layout.ts";
import type { NewMonths } from "./newMonths.ts";
import { divided, type Part, partsOf } from "./parts.ts";
import type { Target } from "./target.ts";

/** What became of a batch's prices. */
export interface Merged {
  inserted: number;
  updated: number;
  unchanged: number;
}

/** Where prices are stored, and how. */
interface Storing {
  client: pg.Client;
  columns: PriceColumn[];
  target: Target;
  newMonths: NewMonths;
}

/** Stores a batch's prices, inside the open transaction. */
export async function storePrices(storing: Storing, batch: Batch): Promise<Merged> {
  let total = nothing;
  if (batch.size === 0) return total;
  const stocks = await lockStocks(storing.client, [...batch.prices.keys()]);
  for (const part of partsOf(batch, (month) => storing.newMonths.tableOf(month)))
    total = sum(total, await storePart(storing, part, stocks));
  return total;
}

const nothing: Merged = { inserted: 0, updated: 0, unchanged: 0 };

function sum(a: Merged, b: Merged): Merged {
  return {
    inserted: a.inserted + b.inserted,
    updated: a.updated + b.updated,
    unchanged: a.unchanged + b.unchanged,
  };
}

/**
 * Stores prices straight where there are none of these stocks in these days, as of a new file or a new day; otherwise
 * by way of the staging table. A batch that began in the middle of a stock or a day has only that one stored in part.
 */
async function storePart(storing: Storing, part: Part, stocks: Map<string, number>): Promise<Merged> {
  const { client, columns, newMonths } = storing;
  const straight = ({ table, prices }: Part) =>
    copy(client, `${table} (stock_id, date, ${columns.join(", ")})`, inKeyOrder(prices, stocks));
  if (part.month && (await newMonths.create(part.month, () => straight(part))))
    return { ...nothing, inserted: part.size };
  for (const [begun, rest] of [[undefined, part] as const, ...divided(part)]) {
    if (await isKnown(client, rest, stocks)) continue;
    const merged = begun ? await merge(storing, begun, stocks) : nothing;
    if (await copied(client, () => straight(rest))) return sum(merged, { ...nothing, inserted: rest.size });
    return sum(merged, await merge(storing, rest, stocks));
  }
  return merge(storing, part, stocks);
}

/** Whether a table has prices of a part's stocks in its days. */
async function isKnown(client: pg.Client, part: Part, stocks: Map<string, number>): Promise<boolean> {
  const { rows } = await client.query<{ known: boolean }>(
    `select exists (select from ${part.table} where date between $1 and $2 and stock_id = any ($3)) as known`,
    range(part, stocks),
  );
  return rows[0]!.known;
}

const range = ({ firstDate, lastDate, prices }: Part, stocks: Map<string, number>): unknown[] => [
  firstDate,
  lastDate,
  [...prices.keys()].map((symbol) => stocks.get(symbol)),
];

/** @returns false where somebody who does not lock the stocks has stored one of the prices at this moment */
async function copied(client: pg.Client, straight: () => Promise<void>): Promise<boolean> {
  await client.query("savepoint copy_straight");
  try {
    await straight();
    await client.query("release savepoint copy_straight");
    return true;
  } catch (error) {
    if ((error as pg.DatabaseError).code !== "23505") throw error;
    await client.query("rollback to savepoint copy_straight");
    return false;
  }
}

/** Stores a part by way of the staging table. */
async function merge({ client, columns, target }: Storing, part: Part, stocks: Map<string, number>): Promise<Merged> {
  const { table, prices, size } = part;
  await client.query("truncate load_stage");
  await copy(client, `load_stage (symbol, date, ${columns.join(", ")})`, bySymbol(prices));
  const statement = mergeStatement(table, columns, target.unique);
  const { rows } = await client.query<{ inserted: number; updated: number }>(statement, range(part, stocks));
  const { inserted, updated } = rows[0]!;
  return { inserted, updated, unchanged: size - inserted - updated };
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
function mergeStatement(table: string, columns: PriceColumn[], unique: boolean): string {
  const list = columns.join(", ");
  const of = (name: string) => `row(${columns.map((column) => `${name}.${column}`).join(", ")})`;
  const set = (name: string) => columns.map((column) => `${column} = ${name}.${column}`).join(", ");
  const write = unique
    ? `written as (
         insert into ${table} as p (stock_id, date, ${list})
         select stock_id, date, ${list} from fresh order by stock_id, date
         on conflict (stock_id, date) do update set ${set("excluded")}
         where ${of("p")} is distinct from ${of("excluded")})`
    : `added as (
         insert into ${table} (stock_id, date, ${list})
         select stock_id, date, ${list} from fresh where not known order by stock_id, date),
       corrected as (
         update ${table} p set ${set("f")} from fresh f
         where f.known and p.stock_id = f.stock_id and p.date = f.date and p.stock_id = any ($3))`;
  return `
    with fresh as materialized (
      select k.id as stock_id, s.*, p.stock_id is not null as known
      from load_stage s
      join stocks k on k.symbol = s.symbol
      left join ${table} p
        on p.stock_id = k.id and p.date = s.date and p.date between $1 and $2 and p.stock_id = any ($3)
      where p.stock_id is null or ${of("p")} is distinct from ${of("s")}),
    ${write}
    select count(*) filter (where not known)::int as inserted, count(*) filter (where known)::int as updated
    from fresh`;
}
