import type { Queryable } from "../queryable.ts";
import { day, decimal, type Given, type Option, text, whole } from "./options.ts";
import { defineQuery, runQuery } from "./query.ts";
import { isoDate, prices, readPlace } from "./sql.ts";

/** A stock that passed the screener. */
export interface Screened {
  symbol: string;
  name: string;
  sector: string | null;
  /** YYYY-MM-DD */
  date: string;
  /** Adjusted close where there is one, otherwise the close, of that day. As a double. */
  price: number | null;
  rsi14: number;
  macd: number | null;
  macdHistogram: number | null;
  sma50: number | null;
  sma200: number | null;
  /** The place of the row, as the option `after`. */
  place: string;
}

/** The limits that can be set: each an expression over a day's indicators. */
const measures = {
  rsi: { sql: "t.rsi_14", about: "RSI over 14 days" },
  macd: { sql: "t.macd", about: "MACD" },
  histogram: { sql: "t.macd_histogram", about: "MACD less its signal" },
  trend: { sql: "(t.sma_50 / nullif(t.sma_200, 0) - 1)", about: "50-day average against the 200-day one, 0.1 is 10 %" },
  band: {
    sql: "((p.price - t.bollinger_lower) / nullif(t.bollinger_upper - t.bollinger_lower, 0))",
    about: "place of the price in Bollinger's bands, 0 the lower, 1 the upper",
  },
} as const;

type Limit = `${keyof typeof measures}${"From" | "To"}`;

const limits = Object.fromEntries(
  Object.entries(measures).flatMap(([name, { about }]) => [
    [`${name}From`, decimal({ about: `at least: ${about}` })],
    [`${name}To`, decimal({ about: `at most: ${about}` })],
  ]),
) as Record<Limit, Option<number | undefined>>;

/**
 * The stocks whose indicators of one day are within limits, by RSI, a page at a time. Relies on
 * technical_indicators_date_rsi_14_idx, in the one partition of the day, and on the key of price_history. Only limits
 * that are set are part of the statement: each set of them is a statement of its own, with a plan of its own.
 * Every value comes from a subquery, which hides it from the planner: it would otherwise plan anew for every value,
 * over all partitions, which takes ten times as long as the query.
 */
export const screener = defineQuery<Screened>()({
  name: "screener",
  summary: "the stocks whose indicators of a day are within limits",
  options: {
    ...limits,
    asOf: day({ about: "the last day with indicators up to this one", shownDefault: "today" }),
    after: text({ about: "the page after this place", placeholder: "PLACE" }),
    limit: whole({ about: "stocks on a page", least: 1, most: 1_000, default: 50 }),
  },
  tables: ["technical_indicators", "price_history", "stocks", "sectors"],
  sample: `select 35 as "rsiTo" from technical_indicators limit 1`,
  expectation: {
    indexes: ["technical_indicators_date_rsi_14_idx", "price_history_pkey"],
    partitions: 14,
    buffers: 2_000,
  },
  statement: (options) => {
    const values: unknown[] = [options.asOf, ...readPlace(options.after, "screener"), options.limit];
    const conditions = Object.entries(measures).flatMap(([name, { sql }]) => {
      const [from, to] = [options[`${name}From` as Limit], options[`${name}To` as Limit]];
      return [
        ...(from === undefined ? [] : [`and ${sql} >= (select $${values.push(from)}::float8)`]),
        ...(to === undefined ? [] : [`and ${sql} <= (select $${values.push(to)}::float8)`]),
      ];
    });
    return {
      text: `
  select s.symbol, s.name, e.name as sector, ${isoDate("t.date")} as date, p.price, t.rsi_14 as "rsi14", t.macd,
         t.macd_histogram as "macdHistogram", t.sma_50 as "sma50", t.sma_200 as "sma200",
         t.rsi_14 || ':' || t.stock_id as place
  from technical_indicators t
  join stocks s on s.id = t.stock_id
  left join sectors e on e.id = s.sector_id
  left join lateral (
    select coalesce(adjusted_close, close)::float8 as price
    from ${prices} where stock_id = t.stock_id and date = t.date
    offset 0
  ) p on true
  where t.date = (select date from technical_indicators
                  where date <= coalesce((select $1::date), current_date + 1) order by date desc limit 1)
    and t.rsi_14 >= coalesce((select $2::float8), '-infinity')
    and ((select $2::float8) is null or (t.rsi_14, t.stock_id) > ((select $2::float8), (select $3::bigint)))
    ${conditions.join("\n    ")}
  order by t.rsi_14, t.stock_id
  limit (select $4::int)`,
      values,
    };
  },
  after: ({ place }) => place,
});

/** Asks {@link screener}. */
export const screenStocks = (db: Queryable, options: Given<typeof screener.options> = {}) =>
  runQuery(db, screener, options);
