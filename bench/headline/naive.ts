import type pg from "pg";

/**
 * The application's queries as it asked them: every column, a statement for each row of the one before, functions on
 * indexed columns, deep offsets, and the rest computed in the application. Each gives the rows of its successor in
 * toolkit/queries.
 */
type Naive = (client: pg.ClientBase, options: never) => Promise<object[]>;

// biome-ignore lint/suspicious/noExplicitAny: the rows of `select *` are whatever the table has
type Row = Record<string, any>;

async function all(client: pg.ClientBase, text: string, values: unknown[] = []): Promise<Row[]> {
  return (await client.query<Row>(text, values)).rows;
}

async function one(client: pg.ClientBase, text: string, values: unknown[] = []): Promise<Row | undefined> {
  return (await all(client, text, values))[0];
}

/** The calendar day of a date column, which pg gives as midnight here. */
function day(date: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

const daysAgo = (days: number) => day(new Date(Date.now() - days * 86_400_000));
const number = (value: unknown) => (value === null || value === undefined ? null : Number(value));
const priceOf = (row: Row | undefined) => (row ? Number(row.adjusted_close ?? row.close) : null);

async function sectorOf(client: pg.ClientBase, stock: Row): Promise<string | null> {
  return (await one(client, "select * from sectors where id = $1", [stock.sector_id]))?.name ?? null;
}

const latestPrice = "select * from price_history where stock_id = $1 order by date desc limit 1";

async function latestData(client: pg.ClientBase, { limit, skip = 0 }: { limit: number; skip?: number }) {
  const stocks = await all(client, "select * from stocks order by symbol limit $1 offset $2", [limit, skip]);
  const rows = [];
  for (const stock of stocks) {
    const price = await one(client, latestPrice, [stock.id]);
    const found = await one(
      client,
      "select * from technical_indicators where stock_id = $1 order by date desc limit 1",
      [stock.id],
    );
    rows.push({
      ...{ symbol: stock.symbol, name: stock.name, sector: await sectorOf(client, stock) },
      ...{ date: price ? day(price.date) : null, price: priceOf(price), volume: number(price?.volume) },
      ...{ indicatorsDate: found ? day(found.date) : null, rsi14: found?.rsi_14 ?? null, macd: found?.macd ?? null },
      ...{ macdSignal: found?.macd_signal ?? null, sma20: found?.sma_20 ?? null, sma50: found?.sma_50 ?? null },
      sma200: found?.sma_200 ?? null,
    });
  }
  return rows;
}

async function topRecommendations(client: pg.ClientBase, { limit }: { limit: number }) {
  const active = await all(client, "select * from recommendations where is_active order by confidence desc, id desc");
  const rows = [];
  for (const found of active.filter((row) => !row.expires_at || row.expires_at > new Date()).slice(0, limit)) {
    const stock = (await one(client, "select * from stocks where id = $1", [found.stock_id]))!;
    const latest = await one(client, latestPrice, [stock.id]);
    const [price, target] = [priceOf(latest), number(found.target_price)];
    rows.push({
      ...{ id: found.id, symbol: stock.symbol, name: stock.name, sector: await sectorOf(client, stock) },
      ...{ action: found.action, confidence: found.confidence, targetPrice: target, createdAt: found.created_at },
      ...{ date: latest ? day(latest.date) : null, price, upside: price && target ? target / price - 1 : null },
    });
  }
  return rows;
}

const longestPause = 7;

async function sectorPerformance(client: pg.ClientBase, { days }: { days: number }) {
  const last = day((await one(client, "select max(date) as date from price_history"))!.date);
  const since = (back: number) => day(new Date(new Date(`${last}T00:00`).getTime() - back * 86_400_000 + 3_600_000));
  const prices = await all(
    client,
    `select p.*, s.sector_id from price_history p join stocks s on s.id = p.stock_id
     where to_char(p.date, 'YYYY-MM-DD') > $1 order by p.stock_id, p.date`,
    [since(days + longestPause + 1)],
  );
  const names = new Map((await all(client, "select * from sectors")).map(({ id, name }) => [id, name as string]));
  type Day = { returns: number[]; stocks: number; volume: number };
  const bySector = new Map<string, Map<string, Day>>();
  for (const [index, row] of prices.entries()) {
    const date = day(row.date);
    if (date <= since(days)) continue;
    const before = prices[index - 1];
    const pause = before && before.stock_id === row.stock_id ? Math.round((+row.date - +before.date) / 86_400_000) : 99;
    for (const sector of ["All", names.get(row.sector_id) ?? "Unclassified"]) {
      if (!bySector.has(sector)) bySector.set(sector, new Map());
      const found = bySector.get(sector)!;
      if (!found.has(date)) found.set(date, { returns: [], stocks: 0, volume: 0 });
      const total = found.get(date)!;
      total.stocks++;
      total.volume += Number(row.volume);
      if (pause <= longestPause) total.returns.push(priceOf(row)! / priceOf(before)! - 1);
    }
  }
  const rows = [...bySector].map(([sector, found]) => {
    const dates = [...found.keys()].sort();
    const averages = dates.flatMap((date) => {
      const { returns } = found.get(date)!;
      return returns.length > 0 ? [returns.reduce((sum, value) => sum + value, 0) / returns.length] : [];
    });
    const moves = [...found.values()].flatMap(({ returns }) => returns).filter((value) => value !== 0);
    return {
      ...{ sector, days: averages.length, from: dates[0], to: dates.at(-1) },
      stocks: found.get(dates.at(-1)!)!.stocks,
      return: averages.reduce((product, value) => product * (1 + value), 1) - 1,
      ...{ bestDay: Math.max(...averages), worstDay: Math.min(...averages) },
      advancing: moves.filter((value) => value > 0).length / moves.length,
      volume: [...found.values()].reduce((sum, { volume }) => sum + volume, 0),
    };
  });
  return rows.sort((a, b) => b.return - a.return || a.sector.localeCompare(b.sector));
}

async function priceRange(client: pg.ClientBase, { stock: symbol }: { stock: string }, window = 20) {
  const stock = (await one(client, "select * from stocks where symbol = $1", [symbol]))!;
  const tomorrow = daysAgo(-1);
  const first = day(new Date(new Date(`${tomorrow}T00:00`).getTime() - 365 * 86_400_000 + 3_600_000));
  const prices = await all(
    client,
    "select * from price_history where stock_id = $1 and to_char(date, 'YYYY-MM-DD') between $2 and $3 order by date",
    [
      stock.id,
      day(new Date(new Date(`${first}T00:00`).getTime() - (2 * window + 10) * 86_400_000 + 3_600_000)),
      tomorrow,
    ],
  );
  const values = prices.map((row) => priceOf(row)!);
  const returns = values.map((value, index) => (index === 0 ? null : value / values[index - 1]! - 1));
  return prices.flatMap((row, index) => {
    if (day(row.date) < first) return [];
    const inWindow = values.slice(Math.max(index - window + 1, 0), index + 1);
    const moves = returns.slice(Math.max(index - window + 1, 0), index + 1).filter((value) => value !== null);
    const full = inWindow.length === window;
    return {
      ...{ date: day(row.date), open: number(row.open), high: number(row.high), low: number(row.low) },
      ...{ close: number(row.close), price: values[index], volume: number(row.volume), return: returns[index] },
      movingAverage: full ? mean(inWindow) : null,
      ...{ movingLow: full ? Math.min(...inWindow) : null, movingHigh: full ? Math.max(...inWindow) : null },
      volatility: moves.length === window ? deviation(moves) : null,
    };
  });
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function deviation(values: number[]): number {
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}

async function screener(client: pg.ClientBase, { rsiTo, limit }: { rsiTo: number; limit: number }) {
  const last = day((await one(client, "select max(date) as date from technical_indicators"))!.date);
  const found = await all(client, "select * from technical_indicators where to_char(date, 'YYYY-MM-DD') = $1", [last]);
  const low = found.filter(({ rsi_14 }) => rsi_14 !== null && rsi_14 <= rsiTo);
  low.sort((a, b) => a.rsi_14 - b.rsi_14 || a.stock_id - b.stock_id);
  const rows = [];
  for (const row of low.slice(0, limit)) {
    const stock = (await one(client, "select * from stocks where id = $1", [row.stock_id]))!;
    const price = await one(
      client,
      "select * from price_history where stock_id = $1 and to_char(date, 'YYYY-MM-DD') = $2",
      [stock.id, last],
    );
    rows.push({
      ...{ symbol: stock.symbol, name: stock.name, sector: await sectorOf(client, stock), date: last },
      ...{ price: priceOf(price), rsi14: row.rsi_14, macd: row.macd, macdHistogram: row.macd_histogram },
      ...{ sma50: row.sma_50, sma200: row.sma_200 },
    });
  }
  return rows;
}

async function correlationMatrix(client: pg.ClientBase, { stocks: symbols }: { stocks: string[] }) {
  const first = day(new Date(new Date(`${daysAgo(-1)}T00:00`).getTime() - 365 * 86_400_000 + 3_600_000));
  const returns = new Map<string, Map<string, [since: string, value: number]>>();
  for (const symbol of symbols) {
    const stock = (await one(client, "select * from stocks where symbol = $1", [symbol]))!;
    const prices = await all(
      client,
      "select * from price_history where stock_id = $1 and to_char(date, 'YYYY-MM-DD') >= $2 order by date",
      [stock.id, first],
    );
    const moves = prices.slice(1).map((row, index): [string, [string, number]] => {
      const before = prices[index]!;
      return [day(row.date), [day(before.date), priceOf(row)! / priceOf(before)! - 1]];
    });
    returns.set(symbol, new Map(moves));
  }
  return symbols.toSorted().flatMap((stock) =>
    symbols.toSorted().map((other) => {
      const theirs = returns.get(other)!;
      const pairs = [...returns.get(stock)!].flatMap(([date, [since, value]]) => {
        const found = theirs.get(date);
        return found && found[0] === since ? [[value, found[1]] as const] : [];
      });
      return { stock, other, correlation: correlation(pairs), days: pairs.length };
    }),
  );
}

function correlation(pairs: (readonly [number, number])[]): number {
  const [x, y] = [mean(pairs.map(([a]) => a)), mean(pairs.map(([, b]) => b))];
  let [xy, xx, yy] = [0, 0, 0];
  for (const [a, b] of pairs) {
    xy += (a - x) * (b - y);
    xx += (a - x) ** 2;
    yy += (b - y) ** 2;
  }
  return xy / Math.sqrt(xx * yy);
}

async function apiCost(client: pg.ClientBase, { days }: { days: number }) {
  const first = new Date(Date.now() - (days - 1) * 86_400_000).toISOString().slice(0, 10);
  const calls = await all(
    client,
    "select * from api_usage where to_char(called_at at time zone 'UTC', 'YYYY-MM-DD') >= $1",
    [first],
  );
  const totals = new Map<string, { day: string; provider: string; calls: number; cost: number; tokens: number }>();
  for (const call of calls) {
    const on = (call.called_at as Date).toISOString().slice(0, 10);
    const key = `${on} ${call.provider}`;
    const total = totals.get(key) ?? { day: on, provider: call.provider, calls: 0, cost: 0, tokens: 0 };
    totals.set(key, total);
    total.calls++;
    total.cost += Number(call.cost);
    total.tokens += Number(call.tokens ?? 0);
  }
  const soFar = new Map<string, number>();
  return [...totals.keys()].sort().map((key) => {
    const total = totals.get(key)!;
    soFar.set(total.provider, (soFar.get(total.provider) ?? 0) + total.cost);
    return { ...total, costSoFar: soFar.get(total.provider) };
  });
}

async function rateLimits(client: pg.ClientBase) {
  const rows = [];
  for (const { provider } of await all(client, "select distinct provider from api_usage order by provider")) {
    const told = await one(
      client,
      "select * from api_usage where provider = $1 and rate_limit is not null order by called_at desc limit 1",
      [provider],
    );
    rows.push({
      ...{ provider, limit: told?.rate_limit, remaining: told?.rate_limit_remaining },
      ...{ resetsAt: told?.rate_limit_resets_at, toldAt: told?.called_at },
    });
  }
  return rows;
}

const exportPage = 1_000;

async function priceExport(client: pg.ClientBase, { stocks }: { stocks: string[] }) {
  const rows = [];
  for (let offset = 0; ; offset += exportPage) {
    const page = await all(
      client,
      `select s.symbol, p.* from price_history p join stocks s on s.id = p.stock_id
       where s.symbol = any ($1) order by s.symbol, p.date limit $2 offset $3`,
      [stocks, exportPage, offset],
    );
    for (const row of page)
      rows.push({
        ...{ symbol: row.symbol, date: day(row.date), open: row.open, high: row.high, low: row.low },
        ...{ close: row.close, adjustedClose: row.adjusted_close, volume: row.volume },
      });
    if (page.length < exportPage) return rows;
  }
}

/** By the name of the query in toolkit/queries. */
export const naive: Record<string, Naive> = {
  "latest-data": latestData,
  "top-recommendations": topRecommendations,
  "sector-performance": sectorPerformance,
  "price-range": priceRange,
  screener,
  "correlation-matrix": correlationMatrix,
  "api-cost": apiCost,
  "rate-limits": rateLimits,
  "price-export": priceExport,
};
