import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { getApiCost } from "../../../toolkit/queries/apiCost.ts";
import { getCorrelationMatrix } from "../../../toolkit/queries/correlationMatrix.ts";
import { getStocksWithLatestData } from "../../../toolkit/queries/latestData.ts";
import { streamPrices } from "../../../toolkit/queries/priceExport.ts";
import { getPriceRange } from "../../../toolkit/queries/priceRange.ts";
import type { Page } from "../../../toolkit/queries/query.ts";
import { getRateLimits } from "../../../toolkit/queries/rateLimits.ts";
import { screenStocks } from "../../../toolkit/queries/screener.ts";
import { getSectorPerformance } from "../../../toolkit/queries/sectorPerformance.ts";
import { getTopRecommendations } from "../../../toolkit/queries/topRecommendations.ts";
import type { TestDatabase } from "../../support/database.ts";
import { days, indicators, mean, priceOf, prices, pricesOf, returnsOf, smallMarket, stocks } from "./market.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await smallMarket();
}, 60_000);
afterAll(() => database?.drop());

const db = () => database.client;

/** Every page of a query, of a few rows each. */
async function leaf<Row>(ask: (after: string | undefined) => Promise<Page<Row>>): Promise<Row[][]> {
  const pages: Row[][] = [];
  for (let after: string | undefined; ; ) {
    const { rows, next } = await ask(after);
    pages.push(rows);
    if (next === undefined) return pages;
    after = next;
  }
}

/** Numbers to twelve digits: sums come in another order. */
function near(rows: object[]): object[] {
  return rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        typeof value === "number" ? Number(value.toPrecision(12)) : value,
      ]),
    ),
  );
}

test.each([["2024-02-29"], ["2024-01-17"], ["2023-12-31"]])("latest-data gives what was known on %s", async (asOf) => {
  const { rows } = await getStocksWithLatestData(db(), { asOf });
  const expected = stocks.map(({ id, symbol, sector }) => {
    const price = pricesOf(id).findLast(({ date }) => date <= asOf);
    const found = indicators.findLast(({ stockId, date }) => stockId === id && price && date <= price.date);
    return {
      ...{ symbol, name: `${symbol} Inc.`, sector, date: price?.date ?? null, price: price ? priceOf(price) : null },
      ...{ volume: price?.volume ?? null, indicatorsDate: found?.date ?? null, rsi14: found?.rsi14 ?? null },
      ...{ macd: found?.macd ?? null, sma50: found?.sma50 ?? null, sma200: found?.sma200 ?? null },
    };
  });
  expect(rows).toMatchObject(expected);
  expect(rows).toHaveLength(expected.length);
});

test("latest-data gives chosen stocks, and its pages together give every stock once", async () => {
  const chosen = await getStocksWithLatestData(db(), { stocks: ["CCC", "AAA", "none such"] });
  expect(chosen.rows.map(({ symbol }) => symbol)).toEqual(["AAA", "CCC"]);
  const pages = await leaf((after) => getStocksWithLatestData(db(), { limit: 2, after }));
  expect(pages.map((page) => page.map(({ symbol }) => symbol))).toEqual([["AAA", "BBB"], ["CCC", "DEAD"], ["NONE"]]);
});

test("indicators that are more than a month older than the price are not shown", async () => {
  await db().query("begin");
  await db().query("delete from technical_indicators where stock_id = 1 and date > '2024-01-20'");
  const { rows } = await getStocksWithLatestData(db(), { stocks: ["AAA"] });
  await db().query("rollback");
  expect(rows[0]).toMatchObject({ date: "2024-02-29", indicatorsDate: null, rsi14: null });
});

test.each([["AAA"], ["BBB"], ["CCC"]])("price-range gives the moving windows of %s", async (symbol) => {
  const [from, window] = ["2024-01-22", 6];
  const { rows } = await getPriceRange(db(), { stock: symbol, from, to: "2024-02-16", window });
  const { id } = stocks.find((stock) => stock.symbol === symbol)!;
  const [all, returns] = [pricesOf(id), returnsOf(id)];
  const expected = all.flatMap((row, n) => {
    if (row.date < from || row.date > "2024-02-16") return [];
    const inWindow = all.slice(n - window + 1, n + 1);
    const values = inWindow.map(priceOf);
    const moves = inWindow.map(({ date }) => returns.get(date)!.value);
    const middle = mean(moves);
    return [
      {
        ...{ date: row.date, open: row.open, high: row.high, low: row.low, close: row.close, price: priceOf(row) },
        ...{ volume: row.volume, return: returns.get(row.date)!.value, movingAverage: mean(values) },
        ...{ movingLow: Math.min(...values), movingHigh: Math.max(...values) },
        volatility: Math.sqrt(moves.reduce((sum, move) => sum + (move - middle) ** 2, 0) / (window - 1)),
      },
    ];
  });
  expect(near(rows)).toEqual(near(expected));
});

test("price-range leaves a window empty until it is full", async () => {
  const { rows } = await getPriceRange(db(), { stock: "AAA", from: "2024-01-01", to: "2024-01-04", window: 3 });
  const full = rows.map(({ movingAverage, volatility }) => [movingAverage !== null, volatility !== null]);
  expect(full).toEqual([
    [false, false],
    [false, false],
    [true, false],
    [true, true],
  ]);
  expect(rows[0]!.return).toBeNull();
});

test("correlation-matrix gives the correlation of every pair over its common days", async () => {
  const { rows } = await getCorrelationMatrix(db(), {
    stocks: ["AAA", "CCC", "DEAD", "NONE"],
    from: "2024-01-01",
    to: "2024-02-29",
  });
  const chosen = [1, 3, 4, 5].map((id) => ({ symbol: stocks[id - 1]!.symbol, returns: returnsOf(id) }));
  const expected = chosen.flatMap((one) =>
    chosen.map((other) => {
      const pairs = [...one.returns].flatMap(([date, { since, value }]) => {
        const found = other.returns.get(date);
        return found?.since === since ? [[value, found.value] as const] : [];
      });
      const [x, y] = [mean(pairs.map(([a]) => a)), mean(pairs.map(([, b]) => b))];
      const sum = (term: (a: number, b: number) => number) =>
        pairs.reduce((total, [a, b]) => total + term(a - x, b - y), 0);
      const correlation = sum((a, b) => a * b) / Math.sqrt(sum((a) => a * a) * sum((_, b) => b * b));
      return {
        stock: one.symbol,
        other: other.symbol,
        correlation: pairs.length > 1 ? correlation : null,
        days: pairs.length,
      };
    }),
  );
  expect(near(rows)).toEqual(near(expected));
});

test("sector-performance compounds the average returns of each sector's days", async () => {
  const { rows } = await getSectorPerformance(db(), { until: "2024-02-16", days: 14 });
  const within = days.filter((date) => date > "2024-02-02" && date <= "2024-02-16");
  const groups = { All: [1, 2, 3, 4], Energy: [1, 2], Unclassified: [3] };
  const expected = Object.entries(groups).map(([sector, ids]) => {
    const returns = ids.map(returnsOf);
    const moves = within.map((date) => returns.flatMap((one) => one.get(date)?.value ?? []));
    const averages = moves.filter((day) => day.length > 0).map(mean);
    const all = moves.flat();
    return {
      ...{ sector, days: averages.length, return: averages.reduce((product, one) => product * (1 + one), 1) - 1 },
      ...{ bestDay: Math.max(...averages), worstDay: Math.min(...averages) },
      advancing: all.filter((move) => move > 0).length / all.filter((move) => move !== 0).length,
      volume: prices
        .filter(({ stockId, date }) => ids.includes(stockId) && within.includes(date))
        .reduce((total, { volume }) => total + Number(volume), 0),
    };
  });
  const market = expected[0]!.return;
  const ranked = expected
    .map((one) => ({ ...one, excessReturn: one.return - market }))
    .sort((one, other) => other.return - one.return);
  expect(near(rows)).toMatchObject(near(ranked));
  expect(rows).toHaveLength(3);
});

test("screener gives those within every limit, by RSI, and its pages give each once though two are alike", async () => {
  const asOf = "2024-02-12";
  const last = indicators.findLast(({ date }) => date <= asOf)!.date;
  const onLast = indicators
    .filter(({ date }) => date === last)
    .sort((a, b) => a.rsi14! - b.rsi14! || a.stockId - b.stockId);
  const symbolOf = (id: number) => stocks[id - 1]!.symbol;
  const { rows } = await screenStocks(db(), { asOf });
  expect(rows.map(({ symbol, date, rsi14 }) => [symbol, date, rsi14])).toEqual(
    onLast.map(({ stockId, date, rsi14 }) => [symbolOf(stockId), date, rsi14]),
  );
  const pages = await leaf((after) => screenStocks(db(), { asOf, limit: 1, after }));
  expect(pages.flat()).toEqual(rows);

  const limited = await screenStocks(db(), { asOf, macdFrom: 0, trendTo: 0.025, bandFrom: 0 });
  const expected = onLast.filter(({ stockId, macd, sma50, sma200, bollingerLower: low, bollingerUpper: high }) => {
    const price = pricesOf(stockId).find(({ date }) => date === last);
    return (
      macd! >= 0 &&
      sma50! / sma200! - 1 <= 0.025 &&
      price !== undefined &&
      (priceOf(price) - low!) / (high! - low!) >= 0
    );
  });
  expect(limited.rows.map(({ symbol }) => symbol)).toEqual(expected.map(({ stockId }) => symbolOf(stockId)));
  expect((await screenStocks(db(), { asOf, rsiFrom: 101 })).rows).toEqual([]);
});

test("price-export streams every price once, to the last digit", async () => {
  const rows = [];
  for await (const row of streamPrices(db(), { from: "2024-01-10" })) rows.push(row);
  const digits = (value: unknown) => (value === undefined ? null : Number(value).toFixed(6));
  expect(rows).toEqual(
    prices
      .filter(({ date }) => date >= "2024-01-10")
      .map((row) => ({
        ...{ symbol: stocks[row.stockId - 1]!.symbol, date: row.date, open: digits(row.open), high: digits(row.high) },
        ...{ low: digits(row.low), close: digits(row.close), adjustedClose: digits(row.adjustedClose) },
        volume: String(row.volume),
      })),
  );
});

test("top-recommendations gives the active ones that have not expired, and its pages give each once", async () => {
  const given = Array.from({ length: 12 }, (_, n) => ({
    ...{ id: n + 1, stock: (n % 5) + 1, action: ["buy", "hold", "SELL"][n % 3]!, confidence: (n % 4) / 4 },
    ...{ active: n % 6 !== 0, expired: n === 4 },
  }));
  for (const { id, stock, action, confidence, active, expired } of given)
    await db().query(
      `insert into recommendations (id, stock_id, action, confidence, target_price, is_active, expires_at)
       values ($1, $2, $3, $4, 200, $5, now() + $6::interval)`,
      [id, stock, action, confidence, active, expired ? "-1 day" : "1 day"],
    );
  const expected = given
    .filter(({ active, expired }) => active && !expired)
    .sort((one, other) => other.confidence - one.confidence || other.id - one.id)
    .map(({ id, stock, action, confidence }) => {
      const price = pricesOf(stock).at(-1);
      return {
        ...{ id: String(id), symbol: stocks[stock - 1]!.symbol, sector: stocks[stock - 1]!.sector, action, confidence },
        ...{
          date: price?.date ?? null,
          price: price ? priceOf(price) : null,
          upside: price ? 200 / priceOf(price) - 1 : null,
        },
      };
    });
  const { rows } = await getTopRecommendations(db());
  expect(near(rows)).toMatchObject(near(expected));
  expect((await leaf((after) => getTopRecommendations(db(), { limit: 2, after }))).flat()).toEqual(rows);
  const sells = await getTopRecommendations(db(), { action: "sell", minimumConfidence: 0.5 });
  expect(sells.rows.map(({ id }) => id)).toEqual(
    expected.filter(({ action, confidence }) => action === "SELL" && confidence >= 0.5).map(({ id }) => id),
  );
});

test("api-cost adds up the calls of each day in UTC, and rate-limits gives what each provider last told", async () => {
  const midnight = Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth(), new Date().getUTCDate());
  const dayOf = (back: number) => new Date(midnight - back * 86_400_000).toISOString().slice(0, 10);
  // Half an hour after midnight in UTC: in a session of another zone that is another day.
  await db().query("set timezone = 'America/New_York'");
  for (let n = 0; n < 12; n++)
    await db().query(
      `insert into api_usage (provider, endpoint, status, cost, tokens, called_at, rate_limit, rate_limit_remaining, rate_limit_resets_at)
       values ($1, '/', 200, $2, $3, $4, $5, $6, now() + interval '1 hour')`,
      [
        n % 2 ? "odd" : "even",
        n / 100,
        n % 3 ? n : null,
        new Date(midnight - (n % 4) * 86_400_000 + 1_800_000 + n),
        n < 6 ? 100 : null,
        n < 6 ? n % 2 : null,
      ],
    );
  const soFar: Record<string, number> = {};
  const expected = [2, 1, 0].flatMap((back) =>
    ["even", "odd"].flatMap((provider) => {
      const calls = Array.from({ length: 12 }, (_, n) => n).filter(
        (n) => n % 4 === back && (n % 2 ? "odd" : "even") === provider,
      );
      if (calls.length === 0) return [];
      const cost = calls.reduce((sum, n) => sum + n / 100, 0);
      soFar[provider] = (soFar[provider] ?? 0) + cost;
      const tokens = calls.reduce((sum, n) => sum + (n % 3 ? n : 0), 0);
      return [{ day: dayOf(back), provider, calls: calls.length, cost, tokens, costSoFar: soFar[provider] }];
    }),
  );
  expect(near((await getApiCost(db(), { days: 3 })).rows)).toEqual(near(expected));
  // The last calls that told a limit: the fifth, of today, and the sixth, of yesterday.
  const [fifth, sixth] = [midnight + 1_800_004, midnight - 86_400_000 + 1_800_005].map((time) => new Date(time));
  expect((await getRateLimits(db())).rows).toMatchObject([
    { provider: "even", limit: 100, remaining: 0, exhausted: true, toldAt: fifth },
    { provider: "odd", limit: 100, remaining: 1, exhausted: false, toldAt: sixth },
  ]);
});
