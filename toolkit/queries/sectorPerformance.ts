import type { Queryable } from "../queryable.ts";
import { day, type Given, whole } from "./options.ts";
import { defineQuery, runQuery } from "./query.ts";
import { isoDate } from "./sql.ts";

/** How a sector did over some days. */
export interface SectorPerformance {
  /** "All" is the whole market, "Unclassified" the stocks without a sector. */
  sector: string;
  /** Days with a return. */
  days: number;
  from: string;
  to: string;
  /** Stocks on the last day. */
  stocks: number;
  /** The daily average returns, compounded, as of a portfolio that is balanced every day: 0.01 is 1 %. */
  return: number | null;
  /** The return less that of "All". */
  excessReturn: number | null;
  bestDay: number | null;
  worstDay: number | null;
  /** Of the stocks that moved, the share that rose, over all days. */
  advancing: number | null;
  /** Shares traded, as a double: exact up to 2^53. */
  volume: number | null;
}

/**
 * The performance of every sector over the last days of the market summary, best first. Reads daily_market_summary by
 * its unique index on the date, a dozen rows a day, and never the prices: its cost does not grow with them.
 */
export const sectorPerformance = defineQuery<SectorPerformance>()({
  name: "sector-performance",
  summary: "the return of every sector against the market's",
  options: {
    until: day({ about: "the last day", shownDefault: "the last of the summary" }),
    days: whole({ about: "calendar days up to it", least: 1, most: 3_660, default: 30 }),
  },
  tables: ["daily_market_summary"],
  sample: "select 30 as days from daily_market_summary limit 1",
  expectation: { indexes: ["daily_market_summary_key"], partitions: 0, buffers: 300 },
  statement: ({ until, days }) => ({
    // ln fails at a loss of everything and beyond: such a day makes the whole return -100 %.
    text: `
  with last as (select date from daily_market_summary where date <= $1::date order by date desc limit 1),
  sectors as (
    select sector, count(average_return)::int as days, min(date) as first_date, max(date) as last_date,
           (array_agg(stocks order by date desc))[1] as stocks,
           case when bool_or(average_return <= -1) then -1
                else exp(sum(ln(1 + average_return)) filter (where average_return > -1)) - 1 end as return,
           max(average_return) as best_day, min(average_return) as worst_day,
           sum(advancers)::float8 / nullif(sum(advancers + decliners), 0) as advancing,
           sum(volume)::float8 as volume
    from daily_market_summary
    where date > (select date from last) - $2::int and date <= (select date from last)
    group by sector
  )
  select sector, days, ${isoDate("first_date")} as "from", ${isoDate("last_date")} as "to", stocks, return,
         return - max(return) filter (where sector = 'All') over () as "excessReturn",
         best_day as "bestDay", worst_day as "worstDay", advancing, volume
  from sectors
  order by return desc nulls last, sector`,
    values: [until ?? "infinity", days],
  }),
});

/** Asks {@link sectorPerformance}. */
export const getSectorPerformance = (db: Queryable, options: Given<typeof sectorPerformance.options> = {}) =>
  runQuery(db, sectorPerformance, options);
