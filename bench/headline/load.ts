import { once } from "node:events";
import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { type Connection, withClient } from "../../toolkit/connection.ts";
import { progress } from "../../toolkit/terminal.ts";
import { indicatorColumns, indicatorsOf } from "./indicators.ts";
import { type Listing, makeListings, randomSource, sectors, tradingDays, walk } from "./market.ts";

/** How much there is of everything. */
export interface Sizes {
  prices: number;
  indicators: number;
  recommendations: number;
  apiCalls: number;
}

/** The sizes that go with a number of price rows, in the proportions of 10 million. */
export const sizesFor = (prices: number): Sizes => ({
  prices,
  indicators: Math.round(prices / 2),
  recommendations: Math.round(prices / 50),
  apiCalls: Math.round(prices / 10),
});

const seed = 20_260_101;

/**
 * Fills the tables of the first migration by COPY. Rows come day by day, as an application adds them: a stock's history
 * lies scattered over the table, unless something puts it together.
 * @returns seconds that it took
 */
export async function loadMarket(connection: Connection, sizes: Sizes): Promise<number> {
  const started = performance.now();
  const days = tradingDays(new Date());
  const listings = makeListings(sizes.prices, days.length, seed);
  await withClient(connection, {}, async (client) => {
    // Checked once for all rows rather than row by row; the schema at the end is that of the migration.
    await client.query(`
      alter table price_history drop constraint price_history_stock_id_fkey;
      alter table technical_indicators drop constraint technical_indicators_stock_id_fkey`);
    await loadStocks(client, listings, days);
    await loadPrices(connection, listings, days, sizes);
    await loadRecommendations(client, listings, sizes);
    await loadApiCalls(client, sizes);
    await client.query(`
      alter table price_history add foreign key (stock_id) references stocks;
      alter table technical_indicators add foreign key (stock_id) references stocks`);
    await client.query("vacuum (analyze)");
  });
  return (performance.now() - started) / 1000;
}

async function loadStocks(client: pg.ClientBase, listings: Listing[], days: string[]): Promise<void> {
  await client.query("insert into sectors (name) select unnest($1::text[])", [sectors]);
  await client.query(
    `insert into stocks (symbol, name, sector_id, exchange, listed_on, delisted_on)
     select symbol, symbol || ' Inc.', nullif(sector, 0), 'XNYS', listed::date, delisted::date
     from unnest($1::text[], $2::int[], $3::text[], $4::text[]) as s (symbol, sector, listed, delisted)`,
    [
      listings.map(({ symbol }) => symbol),
      listings.map(({ sector }) => sector),
      listings.map(({ firstDay }) => days[firstDay]),
      listings.map(({ endDay }) => (days[endDay - 1] && endDay < days.length ? days[endDay - 1] : null)),
    ],
  );
}

/** Prices and indicators in one pass, over a session each; indicators are kept for the last days only. */
async function loadPrices(connection: Connection, listings: Listing[], days: string[], sizes: Sizes): Promise<void> {
  const firstWithIndicators = firstDayFor(sizes.indicators, listings, days.length);
  const compute = indicatorsOf();
  await withClient(connection, {}, (one) =>
    withClient(connection, {}, async (other) => {
      const prices = copyInto(one, "price_history (stock_id, date, open, high, low, close, adjusted_close, volume)");
      const indicators = copyInto(other, `technical_indicators (stock_id, date, ${indicatorColumns.join(", ")})`);
      const bar = progress({ title: "prices and indicators", total: days.length });
      let day = 0;
      for (const quotes of walk(listings, days.length, seed)) {
        const date = days[day]!;
        const withIndicators = day >= firstWithIndicators;
        let [priceLines, indicatorLines] = ["", ""];
        for (const quote of quotes) {
          const { listing, open, high, low, close, adjusted, volume } = quote;
          priceLines += `${listing.id}\t${date}\t${open / 100}\t${high / 100}\t${low / 100}\t${close / 100}\t${adjusted / 1_000_000}\t${volume}\n`;
          const values = compute(quote);
          if (withIndicators)
            indicatorLines += `${listing.id}\t${date}\t${values.map((value) => (value === null ? "\\N" : Math.fround(value))).join("\t")}\n`;
        }
        await Promise.all([write(prices, priceLines), write(indicators, indicatorLines)]);
        bar.update(++day, date);
      }
      bar.stop();
      await Promise.all([end(prices), end(indicators)]);
    }),
  );
}

/** The day from which on the market has about `rows` quotes. */
function firstDayFor(rows: number, listings: Listing[], days: number): number {
  let left = rows;
  for (let day = days - 1; day > 0; day--) {
    for (const { firstDay, endDay } of listings) if (day >= firstDay && day < endDay) left--;
    if (left <= 0) return day;
  }
  return 0;
}

async function loadRecommendations(client: pg.ClientBase, listings: Listing[], sizes: Sizes): Promise<void> {
  const { uniform, whole } = randomSource(seed + 2);
  const listed = listings.map(({ id }) => id);
  const copy = copyInto(
    client,
    "recommendations (stock_id, action, confidence, target_price, reasoning, is_active, created_at, expires_at)",
  );
  let lines = "";
  for (let n = 0; n < sizes.recommendations; n++) {
    // One in ten is still active; the others are the history that the application never deletes.
    const isActive = uniform() < 0.1;
    const madeAt = Date.now() - (isActive ? whole(0, 30) : whole(30, 2_000)) * 86_400_000;
    lines += `${listed[whole(0, listed.length - 1)]}\t${["buy", "hold", "sell"][whole(0, 2)]}\t${uniform()}\t${whole(500, 50_000) / 100}\tmomentum and value\t${isActive}\t${at(madeAt)}\t${at(madeAt + 60 * 86_400_000)}\n`;
    if (lines.length > 1 << 16) {
      await write(copy, lines);
      lines = "";
    }
  }
  await write(copy, lines);
  await end(copy);
}

const providers = ["alphavantage", "finnhub", "iex", "openai", "polygon", "quandl"];

async function loadApiCalls(client: pg.ClientBase, sizes: Sizes): Promise<void> {
  const { uniform, whole } = randomSource(seed + 3);
  const copy = copyInto(
    client,
    `api_usage (provider, endpoint, called_at, status, latency_ms, cost, tokens, rate_limit, rate_limit_remaining,
                rate_limit_resets_at)`,
  );
  const span = 2 * 365 * 86_400_000;
  const start = Date.now() - span;
  let lines = "";
  for (let n = 0; n < sizes.apiCalls; n++) {
    const calledAt = start + (n / sizes.apiCalls) * span;
    const provider = providers[whole(0, providers.length - 1)]!;
    const limits = uniform() < 0.5 ? `1000\t${whole(0, 1_000)}\t${at(calledAt + 60_000)}` : "\\N\t\\N\t\\N";
    lines += `${provider}\t/v1/${["quote", "daily", "news"][whole(0, 2)]}\t${at(calledAt)}\t200\t${whole(20, 900)}\t${whole(1, 400) / 10_000}\t${whole(0, 2_000)}\t${limits}\n`;
    if (lines.length > 1 << 16) {
      await write(copy, lines);
      lines = "";
    }
  }
  await write(copy, lines);
  await end(copy);
}

const at = (time: number) => new Date(time).toISOString();

function copyInto(client: pg.ClientBase, target: string): Writable {
  return client.query(copyFrom(`copy ${target} from stdin`));
}

async function write(stream: Writable, text: string): Promise<void> {
  if (text && !stream.write(text)) await once(stream, "drain");
}

async function end(stream: Writable): Promise<void> {
  stream.end();
  await finished(stream);
}
