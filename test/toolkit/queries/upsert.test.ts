import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createBatcher } from "../../../toolkit/queries/batcher.ts";
import { latestData, latestDataBatcher } from "../../../toolkit/queries/latestData.ts";
import { readOptions } from "../../../toolkit/queries/options.ts";
import { priceRange } from "../../../toolkit/queries/priceRange.ts";
import { defineQuery, streamQuery } from "../../../toolkit/queries/query.ts";
import { getTopRecommendations } from "../../../toolkit/queries/topRecommendations.ts";
import { type PriceInput, upsertIndicators, upsertPrices } from "../../../toolkit/queries/upsert.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase({ template: "head" });
  await database.client.query("insert into stocks (symbol, name) values ('AAA', 'A'), ('BBB', 'B')");
}, 60_000);
afterAll(() => database?.drop());

const messageOf = (work: () => unknown) => {
  try {
    return work();
  } catch (error) {
    return (error as Error).message;
  }
};

test("prices are inserted, updated or left alone, and the months they need are made, no others", async () => {
  const { client } = database;
  const rows: PriceInput[] = [
    { stockId: 1, date: "2023-01-02", close: "10.123456" },
    { stockId: 1, date: "2023-01-03", close: 11, volume: 5 },
    { stockId: 2, date: "2023-04-03", close: 12 },
  ];
  expect(await upsertPrices(client, rows)).toEqual({ inserted: 3, updated: 0, unchanged: 0, partitions: 2 });
  const made = await client.query("select relid::text from pg_partition_tree('price_history') where isleaf order by 1");
  expect(made.rows.map(({ relid }) => relid)).toEqual(
    expect.arrayContaining(["price_history_2023_01", "price_history_2023_04"]),
  );
  expect(made.rows.map(({ relid }) => relid)).not.toContain("price_history_2023_02");

  const again = [
    ...rows.slice(0, 2),
    { stockId: 2, date: "2023-04-03", close: 13 },
    { stockId: 2, date: "2023-04-04", close: 1 },
  ];
  // Of two for one day the last counts, in whatever batch it comes.
  again.push({ stockId: 2, date: "2023-04-04", close: 14 });
  expect(await upsertPrices(client, again, { batch: 1 })).toEqual({
    inserted: 1,
    updated: 1,
    unchanged: 2,
    partitions: 0,
  });
  const stored = await client.query("select stock_id, date::text, close, volume from price_history order by 1, 2");
  expect(stored.rows).toEqual([
    { stock_id: 1, date: "2023-01-02", close: "10.123456", volume: null },
    { stock_id: 1, date: "2023-01-03", close: "11.000000", volume: "5" },
    { stock_id: 2, date: "2023-04-03", close: "13.000000", volume: null },
    { stock_id: 2, date: "2023-04-04", close: "14.000000", volume: null },
  ]);
});

test("a row that is as it was is not written again", async () => {
  const { client } = database;
  const row = { stockId: 1, date: "2023-05-02", rsi14: 40, macd: null };
  await upsertIndicators(client, [row]);
  const place = async () =>
    (await client.query("select ctid, xmin from technical_indicators where date = '2023-05-02'")).rows;
  const before = await place();
  expect(await upsertIndicators(client, [row])).toMatchObject({ updated: 0, unchanged: 1 });
  expect(await place()).toEqual(before);
  expect(await upsertIndicators(client, [{ ...row, rsi14: 41 }])).toMatchObject({ updated: 1, unchanged: 0 });
});

test.each([
  [{ stockId: 1.5, date: "2023-06-01", close: 1 }, "stockId 1.5 is no id"],
  [{ stockId: 1, date: "2023-02-30", close: 1 }, 'date "2023-02-30" is no day as YYYY-MM-DD'],
  [{ stockId: 1, date: "2023-06-01", close: null as never }, "close is missing"],
])("a row that is none refuses all of them, before anything is written: %j", async (bad, reason) => {
  const rows = [{ stockId: 1, date: "2023-06-02", close: 1 }, bad];
  await expect(upsertPrices(database.client, rows)).rejects.toThrow(
    expect.objectContaining({
      message: `row 1 for price_history is not accepted: ${reason}\n  why: Nothing was written.\n  fix: Correct the row, or leave it out.`,
    }),
  );
  const { rows: stored } = await database.client.query("select from price_history where date >= '2023-06-01'");
  expect(stored).toEqual([]);
});

test("a row of a stock that does not exist says so", async () => {
  await expect(upsertPrices(database.client, [{ stockId: 99, date: "2023-01-02", close: 1 }])).rejects.toThrow(
    expect.objectContaining({
      message:
        "a row for price_history belongs to a stock that does not exist\n" +
        '  why: Key (stock_id)=(99) is not present in table "stocks".\n  fix: Store the stock first.',
    }),
  );
});

test("what is loaded in one tick shares one call, each key once, and nothing is kept", async () => {
  const calls: number[][] = [];
  const { load } = createBatcher(async (keys: number[]) => {
    calls.push(keys);
    return new Map(keys.filter((key) => key < 10).map((key) => [key, key * key]));
  }, 3);
  const nested = Promise.resolve().then(() => load(3));
  expect(await Promise.all([load(1), load(2), load(1), nested, load(11)])).toEqual([1, 4, 1, 9, undefined]);
  expect(calls).toEqual([[1, 2, 11], [3]]);
  expect(await load(1)).toBe(1);
  expect(calls).toHaveLength(3);
});

test("a call that fails fails all who share it, and the next is made anew", async () => {
  let attempts = 0;
  const { load } = createBatcher(async (keys: string[]) => {
    if (++attempts === 1) throw new Error("gone");
    return new Map(keys.map((key) => [key, key]));
  });
  const results = await Promise.allSettled([load("a"), load("b")]);
  expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(await load("a")).toBe("a");
});

test("the latest data of stocks asked for one by one come by one statement", async () => {
  const statements: unknown[] = [];
  const counting = {
    query: (...words: unknown[]) => {
      statements.push(words[0]);
      return (database.client.query as (...given: unknown[]) => unknown)(...words);
    },
  } as typeof database.client;
  const { load } = latestDataBatcher(counting);
  const found = await Promise.all(["BBB", "AAA", "ZZZ"].map((symbol) => load(symbol)));
  expect(found.map((row) => row?.symbol)).toEqual(["BBB", "AAA", undefined]);
  expect(statements).toHaveLength(1);
});

test("of a billion rows a stream fetches those that are asked for, and leaves the session free", async () => {
  const billion = defineQuery<{ n: string }>()({
    ...{ name: "billion", summary: "", options: {}, tables: [], sample: "select", large: true },
    expectation: { indexes: [], partitions: 0, buffers: 0 },
    // A set in the select list is made row by row.
    statement: () => ({ text: "select generate_series(1, 1000000000::bigint) as n", values: [] }),
  });
  let last = "";
  for await (const { n } of streamQuery(database.client, billion, {}, 100)) {
    last = n;
    if (n === "5001") break;
  }
  expect(last).toBe("5001");
  expect((await database.client.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
});

test("an option that is none is refused with what is wanted", async () => {
  const refused = (given: object, query: { name: string; options: never } = latestData as never) =>
    messageOf(() => readOptions(query.options, given, query.name));
  expect(refused({ limt: 1 })).toBe(
    "the query latest-data has no option limt\n  fix: Use one of stocks, asOf, after, limit.",
  );
  expect(refused({ limit: "0" })).toBe(
    'the option limit of the query latest-data "0" is not accepted\n  fix: Give a whole number from 1 to 1000.',
  );
  expect(refused({ asOf: "2024-02-30" })).toBe(
    'the option asOf of the query latest-data "2024-02-30" is not accepted\n  fix: Give a day as YYYY-MM-DD.',
  );
  expect(refused({ stocks: [] })).toBe(
    "the option stocks of the query latest-data [] is not accepted\n  fix: Give 1 to 1000 different symbols.",
  );
  expect(refused({}, priceRange as never)).toBe(
    "the option stock of the query price-range is missing\n  fix: Give a text that is not empty.",
  );
  await expect(getTopRecommendations(database.client, { after: "x" })).rejects.toThrow(
    expect.objectContaining({
      message:
        'the option after of the query top-recommendations "x" is not accepted\n  fix: Give what the page before returned as its next.',
    }),
  );
});
