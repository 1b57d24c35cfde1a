import { afterAll, beforeAll, beforeEach, expect, jest, test } from "@jest/globals";
import {
  check,
  create,
  delete_,
  diff,
  type Inputs,
  type Outputs,
  read,
  update,
} from "../../../toolkit/load/resource.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";

const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

let database: TestDatabase;
let inputs: Inputs;
let outs: Outputs;
let printed: string;

beforeEach(() => {
  printed = "";
});
beforeAll(async () => {
  jest.spyOn(console, "log").mockImplementation((line: string) => {
    printed += `${line}\n`;
  });
  database = await createDatabase({ template: "head" });
  const raw = { connection: database.connection, server: "one", fingerprint: "f" };
  inputs = (await check(raw, raw)).inputs;
  ({ outs } = await create(inputs));
}, 60_000);
afterAll(() => database.drop());

const counts = async () =>
  (
    await database.client.query(
      `select (select count(*)::int from stocks) as stocks, (select count(*)::int from price_history) as prices,
              (select count(*)::int from technical_indicators) as indicators,
              (select count(*)::int from daily_market_summary where sector = 'All') as days,
              (select count(*) > 1000 from weekly_price_summary) as weeks`,
    )
  ).rows[0];

// 5,105 days of the S&P 500 and 560 monthly prices; the first indicator comes with a stock's twelfth price.
const complete = { stocks: 6, prices: 5105 + 560, indicators: 5105 + 560 - 6 * 11, weeks: true };

test("check adds the names and hashes of the files", async () => {
  expect(inputs.files).toEqual([
    { name: "sp500-2000.csv", sha256: expect.stringMatching(/^[0-9a-f]{16}$/) },
    { name: "stocks.csv", sha256: expect.stringMatching(/^[0-9a-f]{16}$/) },
  ]);
});

test("create brings six stocks with names, sectors, prices, indicators, summaries and a report", async () => {
  expect(await counts()).toMatchObject(complete);
  expect(outs.rows).toEqual({ prices: complete.prices, indicators: complete.indicators });
  const { rows } = await database.client.query(
    "select symbol, s.name, e.name as sector from stocks s join sectors e on e.id = sector_id order by symbol",
  );
  expect(rows).toEqual([
    { symbol: "AAPL", name: "Apple", sector: "Information Technology" },
    { symbol: "AMZN", name: "Amazon", sector: "Consumer Discretionary" },
    { symbol: "GOOG", name: "Google", sector: "Communication Services" },
    { symbol: "IBM", name: "IBM", sector: "Information Technology" },
    { symbol: "MSFT", name: "Microsoft", sector: "Information Technology" },
    { symbol: "SP500", name: "S&P 500", sector: "Index" },
  ]);
  expect(outs.report.map(({ answer }) => answer)).toEqual([
    "S&P 500: best October 2011 with +10.8 %, worst October 2008 with -16.9 %.",
    "Apple: +759.8 % from January 2000 to March 2010, with a drawdown of -79.2 % from March 2000 to March 2003.",
    expect.stringMatching(/^S&P 500: of \d+ falls since 2000/),
  ]);
});

test("once it is there, nothing is to be changed", async () => {
  expect(await diff("id", outs, inputs)).toEqual({ changes: false });
  expect(await read("id", outs)).toEqual({ id: "id", props: outs });
});

test.each<[string, Partial<Inputs>]>([
  ["another server", { server: "two" }],
  ["another schema", { fingerprint: "g" }],
  ["another file", { files: [{ name: "sp500-2000.csv", sha256: "0" }] }],
])("%s is a change", async (_what, change) => {
  expect(await diff("id", outs, { ...inputs, ...change })).toEqual({ changes: true });
});

test("a preview needs no server: neither one that is not known yet, nor one that is stopped", async () => {
  const notYet = { ...inputs, connection: unknown as unknown as Inputs["connection"] };
  expect(await diff("id", outs, notYet)).toEqual({ changes: false });
  const stopped = { ...inputs, connection: { ...inputs.connection, port: 1 } };
  expect(await diff("id", outs, stopped)).toEqual({ changes: false });
});

test("an update of what is complete changes nothing", async () => {
  const before = await counts();
  expect((await update("id", outs, inputs)).outs).toEqual(outs);
  expect(await counts()).toEqual(before);
  expect(printed).toContain("already loaded, nothing to do");
  expect(printed).toContain("indicators: 0 rows written; refreshing the views\n");
  expect(printed).toContain("  Apple: +759.8 %");
});

test("rows that were lost are noticed, and brought back by an update", async () => {
  await database.client.query("delete from price_history where date between '2008-09-01' and '2008-12-31'");
  expect(await diff("id", outs, inputs)).toEqual({ changes: true });
  expect((await update("id", outs, inputs)).outs).toEqual(outs);
  expect(await counts()).toMatchObject(complete);
  await database.client.query("delete from technical_indicators where date = '2008-09-15'");
  expect(await diff("id", outs, inputs)).toEqual({ changes: true });
  await update("id", outs, inputs);
  expect(await diff("id", outs, inputs)).toEqual({ changes: false });
});

test("a name or a sector that somebody has set since is kept", async () => {
  await database.client.query("update stocks set name = 'Alphabet', sector_id = 1 where symbol = 'GOOG'");
  await update("id", outs, inputs);
  const { rows } = await database.client.query("select name, sector_id from stocks where symbol = 'GOOG'");
  expect(rows).toEqual([{ name: "Alphabet", sector_id: 1 }]);
});

test("delete leaves the rows and says so", async () => {
  const before = await counts();
  await delete_();
  expect(printed).toBe("the prices stay in the database; they go when it goes\n");
  expect(await counts()).toEqual(before);
});
