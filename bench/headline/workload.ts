import type pg from "pg";
import { queries } from "../../toolkit/queries/index.ts";
import { runQuery, streamQuery } from "../../toolkit/queries/query.ts";
import type { Queryable } from "../../toolkit/queryable.ts";
import { naive } from "./naive.ts";

/** One request of the application, in its old and in its new form. */
export interface Request {
  name: string;
  before(client: pg.ClientBase): Promise<object[]>;
  after(client: pg.ClientBase): Promise<object[]>;
}

/** The page of the list of stocks that somebody reaches by leafing. */
const deepPage = 20;
const pageLength = 5;

/** Requests with options that are found in the database; the same for both. */
export async function workload(db: Queryable): Promise<Request[]> {
  const { rows } = await db.query(
    `
    select (array_agg(symbol order by id))[1:3] as stocks, (array_agg(symbol order by symbol))[least(count(*), $1)] as deep,
           least(count(*), $1)::int as skip
    from (select id, symbol from stocks where delisted_on is null and listed_on < current_date - 500) s`,
    [deepPage * pageLength],
  );
  const { stocks } = rows[0];
  const listed = await db.query("select symbol from stocks order by symbol limit 1 offset $1", [
    Math.max(Math.min(deepPage * pageLength, rows[0].skip) - 1, 0),
  ]);
  const after = listed.rows[0].symbol;
  const skip = Math.max(Math.min(deepPage * pageLength, rows[0].skip) - 1, 0) + 1;
  return [
    request("latest-data", { limit: pageLength }),
    request("latest-data", { limit: pageLength, skip }, { limit: pageLength, after }, "latest-data, a deep page"),
    request("top-recommendations", { limit: pageLength }),
    request("sector-performance", { days: 30 }),
    request("price-range", { stock: stocks[0] }),
    request("screener", { rsiTo: 40, limit: pageLength }),
    request("correlation-matrix", { stocks }),
    request("api-cost", { days: 7 }),
    request("rate-limits", {}),
    request("price-export", { stocks: stocks.slice(0, 1) }),
  ];
}

function request(name: string, options: object, newOptions: object = options, title = name): Request {
  const query = queries.find((each) => each.name === name)!;
  return {
    name: title,
    before: (client) => naive[name]!(client, options as never),
    after: async (client) =>
      query.large
        ? await collect(streamQuery(client, query, newOptions))
        : (await runQuery(client, query, newOptions)).rows,
  };
}

/**
 * What differs between the answers of both: rows in order, each column of the old one; numbers to nine digits, as sums
 * come in another order.
 * @returns the first difference, or undefined
 */
export function difference(before: object[], after: object[]): string | undefined {
  if (before.length !== after.length) return `${before.length} rows before, ${after.length} after`;
  for (const [index, row] of before.entries())
    for (const [column, value] of Object.entries(row)) {
      const other = (after[index] as Record<string, unknown>)[column];
      if (!same(value, other)) return `row ${index + 1}, ${column}: ${show(value)} before, ${show(other)} after`;
    }
  return undefined;
}

const show = (value: unknown) => (value instanceof Date ? value.toISOString() : JSON.stringify(value));

function same(one: unknown, other: unknown): boolean {
  if (typeof one === "number" && typeof other === "number")
    return Math.abs(one - other) <= 1e-9 * Math.max(1, Math.abs(one), Math.abs(other));
  return show(one ?? null) === show(other ?? null);
}

async function collect<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const row of rows) found.push(row);
  return found;
}
