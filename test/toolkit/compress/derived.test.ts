import { afterEach, expect, test } from "@jest/globals";
import { computeIndicators } from "../../../toolkit/analysis/indicators.ts";
import { answerQuestions } from "../../../toolkit/analysis/questions.ts";
import { refreshViews } from "../../../toolkit/analysis/views.ts";
import { pack } from "../../../toolkit/compress/pack.ts";
import { retainPartitions } from "../../../toolkit/partitions/retain.ts";
import { getPriceRange } from "../../../toolkit/queries/priceRange.ts";
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

test("a query of the toolkit reads packed rows too where the session's search_path says so", async () => {
  let before: object[] = [];
  const ask = async ({ client }: TestDatabase) =>
    (await getPriceRange(client, { stock: "S1", from: "2019-01-01", to: "2019-08-31" })).rows;
  const database = await packed(async (plain) => {
    before = await ask(plain);
  });
  expect(before.length).toBeGreaterThan(100);
  expect(await ask(database)).toEqual([]);
  await database.client.query("set search_path to packed, public");
  expect(await ask(database)).toEqual(before);
}, 60_000);

test("retention refuses to drop months whose prices are packed", async () => {
  const database = await packed();
  const retain = () =>
    retainPartitions(database.connection, {
      table: "price_history",
      policy: { retention: "3 years", onExpire: "drop", interval: "month" },
    });
  await expect(retain()).rejects.toThrow(
    `price_history_late has expired, and cannot go: prices of its days are packed
  why: They would stay, and be missing from an archive.
  fix: Unpack them first: toolkit compress unpack --from 2018-07-01. Then retain again.`,
  );
  const { rows } = await database.client.query(
    "select count(*)::int as n from packed.price_history where date < '2021-01-01'",
  );
  expect(rows[0].n).toBeGreaterThan(3000);
}, 60_000);
