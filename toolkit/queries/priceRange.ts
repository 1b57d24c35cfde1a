import type { Queryable } from "../queryable.ts";
import { day, type Given, requiredText, whole } from "./options.ts";
import { defineQuery, runQuery } from "./query.ts";
import { isoDate, prices } from "./sql.ts";

/** One day of a stock, with its place in the window that ends with it. */
export interface PriceDay {
  /** YYYY-MM-DD */
  date: string;
  open: number | null;
  high: number | null;
  low: number | null;
  close: number;
  /** Adjusted close where there is one, otherwise the close: what the columns below are computed from. As a double. */
  price: number;
  volume: number | null;
  /** Since the price before: 0.01 is 1 %. */
  return: number | null;
  /** Mean, lowest and highest price of the window: null until the window is full. */
  movingAverage: number | null;
  movingLow: number | null;
  movingHigh: number | null;
  /** Sample standard deviation of the window's returns. */
  volatility: number | null;
}

/**
 * A stock's prices from one day to another, each with a moving window of prices that ends with it. Relies on the key of
 * price_history, read in order; both days bound the partitions. The windows of the first days take prices from
 * before them, sought in twice the window's length and ten days: enough for a daily series with its weekends.
 */
export const priceRange = defineQuery<PriceDay>()({
  name: "price-range",
  summary: "a stock's prices between two days, with moving windows",
  options: {
    stock: requiredText({ about: "its symbol", placeholder: "SYMBOL" }),
    from: day({ about: "the first day", shownDefault: "a year before the last" }),
    to: day({ about: "the last day", shownDefault: "today" }),
    window: whole({ about: "prices in a window", least: 2, most: 250, default: 20 }),
  },
  tables: ["stocks", "price_history"],
  sample: `
    select symbol as stock from stocks s
    where delisted_on is null and exists (select from price_history where stock_id = s.id) order by id limit 1`,
  expectation: { indexes: ["price_history_pkey"], partitions: 16, buffers: 400 },
  statement: ({ stock, from, to, window }) => ({
    text: `
  with prices as (
    select date, open, high, low, close, volume, coalesce(adjusted_close, close)::float8 as price
    from ${prices}
    where stock_id = (select id from stocks where symbol = $1)
      and date between coalesce($2::date, coalesce($3::date, current_date + 1) - 365) - 2 * $4::int - 10
                   and coalesce($3::date, current_date + 1)
  ),
  returns as (
    select *, price / nullif(lag(price) over (order by date), 0) - 1 as return from prices
  ),
  windows as (
    select date, open, high, low, close, price, volume, return, row_number() over (order by date) >= $4 as is_full,
           avg(price) over moving as average, min(price) over moving as low_price, max(price) over moving as high_price,
           stddev_samp(return) over moving as deviation, count(return) over moving as returns
    from returns
    window moving as (order by date rows $4 - 1 preceding)
  )
  select ${isoDate("date")} as date, open::float8, high::float8, low::float8, close::float8, price,
         volume::float8, return,
         case when is_full then average end as "movingAverage", case when is_full then low_price end as "movingLow",
         case when is_full then high_price end as "movingHigh",
         case when returns = $4 then deviation end as volatility
  from windows
  where date >= coalesce($2::date, coalesce($3::date, current_date + 1) - 365)
  order by windows.date`,
    values: [stock, from, to, window],
  }),
});

/** Asks {@link priceRange}. */
export const getPriceRange = (db: Queryable, options: Given<typeof priceRange.options>) =>
  runQuery(db, priceRange, options);
