import type { Queryable } from "../queryable.ts";
import { type Batcher, createBatcher } from "./batcher.ts";
import { day, type Given, symbols, text, whole } from "./options.ts";
import { defineQuery, runQuery } from "./query.ts";
import { isoDate, latestPrice } from "./sql.ts";

/** A stock with its latest price and indicators. */
export interface LatestData {
  symbol: string;
  name: string;
  sector: string | null;
  /** Day of the price, YYYY-MM-DD; null, like all that follows, where the stock has no price. */
  date: string | null;
  /** Adjusted close where there is one, otherwise the close. As a double: fifteen digits, to show and to compute with. */
  price: number | null;
  volume: number | null;
  /** Day of the indicators: null where there are none within a month before the price. */
  indicatorsDate: string | null;
  rsi14: number | null;
  macd: number | null;
  macdSignal: number | null;
  sma20: number | null;
  sma50: number | null;
  sma200: number | null;
  bollingerUpper: number | null;
  bollingerLower: number | null;
}

/**
 * The latest price and indicators of all or chosen stocks, by symbol, a page at a time. Relies on the keys of
 * price_history and technical_indicators, read backwards once for each stock, and on the unique symbols of stocks.
 * Indicators much older than the price mislead, so they are sought in the month before it: in two partitions at most.
 */
export const latestData = defineQuery<LatestData>()({
  name: "latest-data",
  summary: "the latest price and indicators of all or chosen stocks",
  options: {
    stocks: symbols({ about: "only these symbols", most: 1_000 }),
    asOf: day({ about: "as they were known on this day", shownDefault: "today" }),
    after: text({ about: "the page after this symbol", placeholder: "SYMBOL" }),
    limit: whole({ about: "stocks on a page", least: 1, most: 1_000, default: 100 }),
  },
  tables: ["stocks", "sectors", "price_history", "technical_indicators"],
  // Each delisted stock of the page adds the partition of its last month.
  sample: "select 20 as limit from stocks limit 1",
  expectation: { indexes: ["price_history_pkey", "technical_indicators_pkey"], partitions: 24, buffers: 4_000 },
  statement: ({ stocks, asOf, after, limit }) => ({
    // The page is cut before prices are looked for. A stock that is chosen is found by its symbol.
    text: `
  select s.symbol, s.name, e.name as sector, ${isoDate("p.date")} as date, p.price, p.volume,
         ${isoDate("t.date")} as "indicatorsDate", t.rsi_14 as "rsi14", t.macd, t.macd_signal as "macdSignal",
         t.sma_20 as "sma20", t.sma_50 as "sma50", t.sma_200 as "sma200",
         t.bollinger_upper as "bollingerUpper", t.bollinger_lower as "bollingerLower"
  from (
    select id, symbol, name, sector_id, delisted_on
    from stocks
    where symbol > $3 and ($1::text[] is null or symbol = any ($1))
    order by symbol
    limit $4
  ) s
  left join sectors e on e.id = s.sector_id
  left join lateral (${latestPrice("$2::date")}
  ) p on true
  left join lateral (
    select * from technical_indicators
    where stock_id = s.id and date between p.date - 31 and p.date
    order by date desc
    limit 1
  ) t on true
  order by s.symbol`,
    values: [stocks, asOf, after ?? "", limit],
  }),
  after: ({ symbol }) => symbol,
});

/** Asks {@link latestData}. */
export const getStocksWithLatestData = (db: Queryable, options: Given<typeof latestData.options> = {}) =>
  runQuery(db, latestData, options);

/** Loads the latest data of one stock at a time: what is asked for in one tick becomes one query. */
export const latestDataBatcher = (db: Queryable): Batcher<string, LatestData> =>
  createBatcher(async (stocks) => {
    const { rows } = await getStocksWithLatestData(db, { stocks, limit: stocks.length });
    return new Map(rows.map((row) => [row.symbol, row]));
  });
