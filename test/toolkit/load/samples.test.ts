import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from "@jest/globals";
import { load } from "../../../toolkit/load/load.ts";
import type { TestDatabase } from "../../support/database.ts";
import { createPriceDatabase } from "./tables.ts";

const data = "node_modules/vega-datasets/data";
let database: TestDatabase;
let rejects: string;
beforeAll(async () => {
  database = await createPriceDatabase("partitioned");
  rejects = mkdtempSync(join(tmpdir(), "samples-"));
});
afterAll(() => Promise.all([database.drop(), rmSync(rejects, { recursive: true })]));
beforeEach(() => {
  jest.spyOn(process.stderr, "write").mockReturnValue(true);
});
afterEach(() => {
  jest.restoreAllMocks();
});

test("the daily S&P 500 since 2000, one symbol", async () => {
  expect(await load(database.connection, `${data}/sp500-2000.csv`, { symbol: "^GSPC", rejects })).toMatchObject({
    lines: 5_105,
    inserted: 5_105,
    rejected: 0,
    repeated: 0,
    symbols: ["^GSPC"],
    firstDate: "2000-01-03",
    lastDate: "2020-04-17",
  });
  const { rows } = await database.client.query(
    `select open::text, high::text, low::text, close::text, adjusted_close::text, volume
     from price_history join stocks on stocks.id = stock_id where symbol = '^GSPC' and date = '2000-01-04'`,
  );
  expect(rows).toEqual([
    {
      open: "1455.219971",
      high: "1455.219971",
      low: "1397.430054",
      close: "1399.420044",
      adjusted_close: "1399.420044",
      volume: "1009000000",
    },
  ]);
});

test("five stocks month by month, many symbols and prices only", async () => {
  expect(await load(database.connection, `${data}/stocks.csv`, { rejects })).toMatchObject({
    lines: 560,
    inserted: 560,
    rejected: 0,
    symbols: ["AAPL", "AMZN", "GOOG", "IBM", "MSFT"],
    firstDate: "2000-01-01",
    lastDate: "2010-03-01",
  });
});

test("the S&P 500 month by month, whose symbol is the file's name", async () => {
  expect(await load(database.connection, `${data}/sp500.csv`, { rejects })).toMatchObject({
    lines: 123,
    inserted: 123,
    rejected: 0,
    symbols: ["SP500"],
    firstDate: "2000-01-01",
    lastDate: "2010-03-01",
  });
});
