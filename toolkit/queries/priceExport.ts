import type pg from "pg";
import { day, type Given, symbols } from "./options.ts";
import { defineQuery, streamQuery } from "./query.ts";
import { isoDate, prices } from "./sql.ts";

/** One stored price. */
export interface ExportedPrice {
  symbol: string;
  /** YYYY-MM-DD */
  date: string;
  /** Prices as text: numeric to the last digit, for a copy must be exact. */
  open: string | null;
  high: string | null;
  low: string | null;
  close: string;
  adjustedClose: string | null;
  /** As text: a bigint. */
  volume: string | null;
}

/**
 * The prices of all or chosen stocks between two days, by symbol and day: as many as there are, so it is streamed. Relies
 * on the key of price_history, read in order for one stock after the other: the first row comes at once, and no price
 * is sorted, only the stocks.
 */
export const priceExport = defineQuery<ExportedPrice>()({
  name: "price-export",
  summary: "the prices of all or chosen stocks between two days, streamed",
  options: {
    stocks: symbols({ about: "only these symbols", most: 10_000 }),
    from: day({ about: "the first day", shownDefault: "the first there is" }),
    to: day({ about: "the last day", shownDefault: "the last there is" }),
  },
  large: true,
  tables: ["stocks", "price_history"],
  sample: `
    select array_agg(symbol) as stocks, to_char(current_date - 30, 'YYYY-MM-DD') as from
    from (select symbol from stocks where delisted_on is null order by id limit 10) s having count(*) > 0`,
  expectation: { indexes: ["price_history_pkey"], partitions: 14, buffers: 2_000 },
  statement: ({ stocks, from, to }) => ({
    text: `
  select s.symbol, ${isoDate("p.date")} as date, p.open, p.high, p.low, p.close,
         p.adjusted_close as "adjustedClose", p.volume
  from (select id, symbol from stocks where $1::text[] is null or symbol = any ($1) order by symbol) s
  cross join lateral (
    select * from ${prices}
    where stock_id = s.id and date between coalesce($2::date, '-infinity') and coalesce($3::date, 'infinity')
    order by date
    offset 0
  ) p
  order by s.symbol, p.date`,
    values: [stocks, from, to],
  }),
});

/** Streams {@link priceExport} on a client that does nothing else meanwhile. */
export const streamPrices = (client: pg.ClientBase, options: Given<typeof priceExport.options> = {}) =>
  streamQuery(client, priceExport, options);
