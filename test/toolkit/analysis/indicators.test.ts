import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { computeIndicators } from "../../../toolkit/analysis/indicators.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { loadSp500, loadStocks, sp500 } from "./sample.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase({ template: "head" });
  await loadSp500(database.connection);
  await loadStocks(database.connection);
}, 60_000);
afterAll(() => database.drop());

type Series = (number | null)[];
const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
/** The last n values up to each place, or nothing where there are fewer. */
const windows = (values: number[], n: number) =>
  values.map((_, index) => (index + 1 < n ? null : values.slice(index + 1 - n, index + 1)));

/** Starts with the mean of the first n values; then average := average * (1 - share) + value * share. */
function smoothed(values: Series, n: number, share: number): Series {
  const first = values.findIndex((value) => value !== null);
  let average = 0;
  return values.map((value, index) => {
    const seen = index - first + 1;
    if (value === null || seen < n) return null;
    average = seen === n ? mean(values.slice(first, index + 1) as number[]) : average * (1 - share) + value * share;
    return average;
  });
}

/** The indicators of a series of prices, by the books: one array each. */
function byTheBooks(prices: number[]): Record<string, Series> {
  const ema = (values: Series, n: number) => smoothed(values, n, 2 / (n + 1));
  const zip = (a: Series, b: Series, f: (x: number, y: number) => number): Series =>
    a.map((x, index) => (x === null || b[index] == null ? null : f(x, b[index])));
  const moves: Series = prices.map((price, index) => (index === 0 ? null : price - prices[index - 1]!));
  const gains = moves.map((move) => move && Math.max(move, 0));
  const losses = moves.map((move) => move && Math.max(-move, 0));
  const [ema_12, ema_26] = [ema(prices, 12), ema(prices, 26)];
  const macd = zip(ema_12, ema_26, (fast, slow) => fast - slow);
  const macd_signal = ema(macd, 9);
  const band = (deviations: number): Series =>
    windows(prices, 20).map((last) => {
      if (!last) return null;
      const middle = mean(last);
      return middle + deviations * Math.sqrt(mean(last.map((price) => (price - middle) ** 2)));
    });
  const sma = (n: number) => windows(prices, n).map((last) => last && mean(last));
  return {
    rsi_14: zip(smoothed(gains, 14, 1 / 14), smoothed(losses, 14, 1 / 14), (up, down) => 100 - 100 / (1 + up / down)),
    macd,
    macd_signal,
    macd_histogram: zip(macd, macd_signal, (line, signal) => line - signal),
    sma_20: sma(20),
    sma_50: sma(50),
    sma_200: sma(200),
    ema_12,
    ema_26,
    bollinger_upper: band(2),
    bollinger_middle: sma(20),
    bollinger_lower: band(-2),
  };
}

const stored = async (symbol = "SP500") => {
  const { rows } = await database.client.query(
    `select t.*, t.date::text from technical_indicators t join stocks s on s.id = stock_id
     where symbol = $1 order by t.date`,
    [symbol],
  );
  return rows;
};

const checksum = async () =>
  (
    await database.client.query(
      "select md5(string_agg(t::text, ';' order by stock_id, date)) as sum from technical_indicators t",
    )
  ).rows[0].sum;

test("every indicator of 20 years of real prices agrees with the books to nine digits", async () => {
  await computeIndicators(database.client);
  const days = sp500();
  const expected = byTheBooks(days.map(({ close }) => close));
  const rows = new Map((await stored()).map((row) => [row.date, row]));
  const wrong: unknown[] = [];
  for (const [name, series] of Object.entries(expected)) {
    let compared = 0;
    for (const [index, value] of series.entries()) {
      const found = rows.get(days[index]!.date)?.[name] ?? null;
      if (value === null ? found !== null : !near(found, value, days[index]!.close))
        wrong.push([name, days[index]!.date, found, value]);
      if (value !== null) compared += 1;
    }
    expect([name, compared > 4900]).toEqual([name, true]);
  }
  expect(wrong).toEqual([]);
  expect(rows.size).toBe(days.length - 11);
});

/** MACD and its signal are differences of numbers as large as prices: their error is measured against the price. */
const near = (found: number | null, value: number, price: number) =>
  found !== null && Math.abs(found - value) <= 1e-9 * Math.max(Math.abs(value), price * 1e-2);

test("computing again writes nothing", async () => {
  await computeIndicators(database.client);
  const before = await checksum();
  expect(await computeIndicators(database.client)).toBe(0);
  expect(await checksum()).toBe(before);
});

test("only the stocks that are named are computed, and an unknown one is refused", async () => {
  await database.client.query("truncate technical_indicators");
  expect(await computeIndicators(database.client, { stocks: ["IBM"] })).toBe(123 - 11);
  expect(await stored("MSFT")).toEqual([]);
  await expect(computeIndicators(database.client, { stocks: ["IBM", "NONE"] })).rejects.toThrow(
    "there is no stock NONE\n  fix: Load its prices first.",
  );
});

test("a corrected price changes the rows from its day on, and the correction undone brings the old ones back", async () => {
  await computeIndicators(database.client);
  const before = await checksum();
  const correct = (sign: string) =>
    database.client.query(
      `update price_history set adjusted_close = adjusted_close ${sign} 10
       where stock_id = (select id from stocks where symbol = 'SP500') and date = '2020-04-01'`,
    );
  await correct("+");
  const after = sp500().filter(({ date }) => date >= "2020-04-01").length;
  expect(await computeIndicators(database.client)).toBe(after);
  await correct("-");
  expect(await computeIndicators(database.client)).toBe(after);
  expect(await checksum()).toBe(before);
});

test("a price that is gone takes its indicators with it", async () => {
  await computeIndicators(database.client);
  await database.client.query(
    "delete from price_history where stock_id = (select id from stocks where symbol = 'IBM') and date >= '2010-01-01'",
  );
  expect(await computeIndicators(database.client)).toBe(3);
  expect(await stored("IBM")).toHaveLength(123 - 11 - 3);
});

test("a price that never moves has no RSI, one that only rises has 100, one that only falls 0", async () => {
  await database.client.query(`
    insert into stocks (symbol, name) values ('FLAT', 'f'), ('UP', 'u'), ('DOWN', 'd');
    select ensure_partitions('price_history', '2001-01-01', '2001-01-31');
    insert into price_history (stock_id, date, close)
      select id, date '2001-01-01' + i, case symbol when 'FLAT' then 5 when 'UP' then 5 + i else 50 - i end
      from stocks, generate_series(0, 19) as i where symbol in ('FLAT', 'UP', 'DOWN')`);
  await computeIndicators(database.client, { stocks: ["FLAT", "UP", "DOWN"] });
  const last = async (symbol: string) => (await stored(symbol)).at(-1)!.rsi_14;
  expect([await last("FLAT"), await last("UP"), await last("DOWN")]).toEqual([null, 100, 0]);
});

test("the aggregates pass over nulls, wait for their first n values, and refuse a number of periods below one", async () => {
  const { rows } = await database.client.query(`
    select array_agg(ema order by i) as ema, array_agg(wilder order by i) as wilder
    from (select i, ema(value, 2) over (order by i), wilder(value, 2) over (order by i)
          from (values (1, null), (2, 1.0::float8), (3, null), (4, 3.0), (5, 5.0), (6, null)) as v (i, value)) as x`);
  expect(rows[0]).toEqual({ ema: [null, null, null, 2, 4, 4], wilder: [null, null, null, 2, 3.5, 3.5] });
  await expect(database.client.query("select ema(1, 0)")).rejects.toThrow("ema over 0 periods is not defined");
  await expect(database.client.query("select wilder(1, null)")).rejects.toThrow(
    "wilder over null periods is not defined",
  );
});
