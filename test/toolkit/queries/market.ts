import {
  type IndicatorInput,
  type PriceInput,
  upsertIndicators,
  upsertPrices,
} from "../../../toolkit/queries/upsert.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";

/** A stock of the small market, whose answers can be computed from the arrays below. */
export interface Stock {
  id: number;
  symbol: string;
  sector: string | null;
  delistedOn?: string;
}

/** DEAD is delisted, NONE never had a price, CCC belongs to no sector and misses some days. */
export const stocks: Stock[] = [
  { id: 1, symbol: "AAA", sector: "Energy" },
  { id: 2, symbol: "BBB", sector: "Energy" },
  { id: 3, symbol: "CCC", sector: null },
  { id: 4, symbol: "DEAD", sector: "Utilities", delistedOn: "2024-01-31" },
  { id: 5, symbol: "NONE", sector: "Utilities" },
];

/** The weekdays of January and February 2024. */
export const days = Array.from({ length: 60 }, (_, n) => new Date(Date.UTC(2024, 0, 1 + n)))
  .filter((date) => date.getUTCDay() % 6 !== 0)
  .map((date) => date.toISOString().slice(0, 10));

/** The prices. Those of BBB are adjusted for a split that halves them. */
export const prices: PriceInput[] = stocks.slice(0, 4).flatMap(({ id, delistedOn = "9999" }) =>
  days.flatMap((date, n) => {
    if (date > delistedOn || (id === 3 && n % 5 === 2)) return [];
    const close = 50 * id + ((n * 7 + id * id * 13 + (n % 4) * id) % 23);
    const adjusted = id === 2 ? { adjustedClose: close / 2 } : {};
    return [
      {
        stockId: id,
        date,
        open: close - 1,
        high: close + 2,
        low: close - 3,
        close,
        ...adjusted,
        volume: 1_000 * id + n,
      },
    ];
  }),
);

/** Indicators of every third day; AAA and BBB always have the same RSI. */
export const indicators: IndicatorInput[] = stocks.slice(0, 3).flatMap(({ id }) =>
  days.flatMap((date, n) => {
    if (n % 3 !== 0) return [];
    const rsi14 = 20 + ((n * 5 + (id === 3 ? 31 : 0)) % 60);
    return [
      {
        stockId: id,
        date,
        rsi14,
        macd: id - 2,
        sma50: 100 + id,
        sma200: 100,
        bollingerUpper: 50 * id + 25,
        bollingerLower: 50 * id,
      },
    ];
  }),
);

/** The price of a row that queries compute with. */
export const priceOf = ({ adjustedClose, close }: PriceInput) => Number(adjustedClose ?? close);

/** A stock's prices in order. */
export const pricesOf = (id: number) => prices.filter(({ stockId }) => stockId === id);

/** What each price brought since the one before, by its day. */
export function returnsOf(id: number): Map<string, { since: string; value: number }> {
  const own = pricesOf(id);
  return new Map(
    own.slice(1).map((row, n) => [row.date, { since: own[n]!.date, value: priceOf(row) / priceOf(own[n]!) - 1 }]),
  );
}

export const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The database of the small market, at head. */
export async function smallMarket(): Promise<TestDatabase> {
  const database = await createDatabase({ template: "head" });
  const { client } = database;
  await client.query("insert into sectors (name) values ('Energy'), ('Utilities')");
  for (const { symbol, sector, delistedOn } of stocks)
    await client.query(
      `insert into stocks (symbol, name, sector_id, delisted_on)
       values ($1, $1 || ' Inc.', (select id from sectors where name = $2), $3)`,
      [symbol, sector, delistedOn],
    );
  await upsertPrices(client, prices);
  await upsertIndicators(client, indicators);
  await client.query("select refresh_daily_market_summary()");
  return database;
}
