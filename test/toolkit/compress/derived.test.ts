import { afterEach, expect, test } from "@jest/globals";
import { computeIndicators } from "../../../toolkit/analysis/indicators.ts";
import { answerQuestions } from "../../../toolkit/analysis/questions.ts";
import { refreshViews } from "../../../toolkit/analysis/views.ts";
import { pack } from "../../../toolkit/compress/pack.ts";
import { getCorrelationMatrix } from "../../../toolkit/queries/correlationMatrix.ts";
import { getStocksWithLatestData } from "../../../toolkit/queries/latestData.ts";
import { streamPrices } from "../../../toolkit/queries/priceExport.ts";
import { getPriceRange } from "../../../toolkit/queries/priceRange.ts";
import { screenStocks } from "../../../toolkit/queries/screener.ts";
import { upsertPrices } from "../../../toolkit/queries/upsert.ts";
import type { TestDatabase } from "../../support/database.ts";
import { filled, olderThan, rowsOf } from "./support.ts";

const databases: TestDatabase[] = [];
afterEach(async () => {
  await Promise.all(databases.splice(0).map((database) => database.drop()));
});

async function packed(before: (database: TestDatabase) => Promise<void> = async () => {}) {
  const database = await filled();
  databases.push(database);
  await before(database);
  await pack(database.connection, { olderThan });
  return database;
}

test("what is derived from prices is the same after packing: indicators, summaries and answers", async () => {
  const derived = ["technical_indicators", "daily_market_summary", "weekly_price_summary"];
  const read = async (database: TestDatabase) => {
    const tables: string[][] = [];
    for (const table of derived) tables.push(await rowsOf(database, table));
    return { answers: await answerQuestions(database.client), tables };
  };
  let before: Awaited<ReturnType<typeof read>> | undefined;
  const database = await packed(async (plain) => {
    await computeIndicators(plain.client);
    await refreshViews(plain.client);
    before = await read(plain);
  });
  expect(before!.tables.map((rows) => rows.length > 500)).toEqual([true, true, true]);
  expect(await computeIndicators(database.client)).toBe(0);
  await refreshViews(database.client);
  expect(await read(database)).toEqual(before);

  // A correction of an old day changes what follows from it, and only that.
  await database.client.query(
    `insert into price_history (stock_id, date, close) values (1, '2020-10-20', 99)
     on conflict (stock_id, date) do update set close = excluded.close, adjusted_close = null`,
  );
  await refreshViews(database.client);
  const { rows } = await database.client.query(
    "select week::text, high::float8, days from weekly_price_summary where stock_id = 1 and high = 99",
  );
  expect(rows).toEqual([{ week: "2020-10-19", high: 99, days: await daysFrom(database, "2020-10-19") }]);
}, 60_000);

async function daysFrom(database: TestDatabase, monday: string): Promise<number> {
  const { rows } = await database.client.query(
    "select count(*)::int as days from packed.price_history where stock_id = 1 and date between $1 and $1::date + 6",
    [monday],
  );
  return rows[0].days;
}

/** What the queries say of days that get packed: of a range, of pairs of stocks, of the last prices known on a day. */
async function asked({ client }: TestDatabase): Promise<Record<string, object[]>> {
  const days = { from: "2019-01-01", to: "2019-08-31" };
  const exported: object[] = [];
  for await (const row of streamPrices(client, days)) exported.push(row);
  return {
    range: (await getPriceRange(client, { stock: "S1", ...days })).rows,
    // Its sums are made in the order in which rows come.
    matrix: (await getCorrelationMatrix(client, { stocks: ["S1", "S2", "S6"], ...days })).rows.map((pair) => ({
      ...pair,
      correlation: pair.correlation?.toFixed(9),
    })),
    known: (await getStocksWithLatestData(client, { asOf: "2020-03-15" })).rows,
    latest: (await getStocksWithLatestData(client)).rows,
    screened: (await screenStocks(client, { asOf: "2020-05-01", rsiFrom: 1 })).rows,
    exported,
  };
}

test("the queries read packed rows with plain ones, whatever the session's search_path", async () => {
  let before: Record<string, object[]> = {};
  const database = await packed(async (plain) => {
    // The prices of one ended before the others were packed, and somebody forgot to say so.
    await plain.client.query("delete from price_history where stock_id = 8 and date > '2020-08-01'");
    await plain.client.query("update stocks set delisted_on = '2019-12-31' where id = 7");
    await computeIndicators(plain.client);
    before = await asked(plain);
  });
  expect(Object.values(before).map((rows) => rows.length > 0)).toEqual([true, true, true, true, true, true]);
  expect(await asked(database)).toEqual(before);
  // An older day of the stock without newer prices is corrected: it is plain, and not the latest.
  await upsertPrices(database.client, [{ stockId: 8, date: "2018-11-04", close: 1 }]);
  expect((await asked(database)).latest).toEqual(before.latest);
}, 60_000);

test("a price that is stored again on a packed day stays packed, one that differs counts as updated", async () => {
  const database = await packed();
  const { client } = database;
  const { rows } = await client.query(
    `select stock_id as "stockId", date::text, open, high, low, close, adjusted_close as "adjustedClose", volume
     from packed.price_history where date between '2019-03-01' and '2019-03-05'`,
  );
  const unchanged = { inserted: 0, updated: 0, unchanged: rows.length, partitions: 0 };
  expect(await upsertPrices(client, rows)).toEqual(unchanged);
  const late = () => rowsOf(database, "price_history_late");
  expect(await late()).toEqual([]);
  expect(await upsertPrices(client, [{ ...rows[0], close: 3 }, rows[1]])).toEqual({
    ...{ inserted: 0, updated: 1, unchanged: 1, partitions: 0 },
  });
  expect(await late()).toHaveLength(1);
}, 60_000);
