import type { Queryable } from "../queryable.ts";
import { day, type Given, requiredSymbols } from "./options.ts";
import { defineQuery, runQuery } from "./query.ts";
import { prices } from "./sql.ts";

/** How two stocks move together. The matrix holds (A, B) and (B, A), and 1 on its diagonal. */
export interface Correlation {
  stock: string;
  other: string;
  /** Pearson's, of the returns; null where there are fewer than two common days, or one of the two never moves. */
  correlation: number | null;
  /** Days on which both have a return since the same day. */
  days: number;
}

/**
 * The correlation of the returns of chosen stocks, each pair over its common days. Relies on the key of price_history;
 * both days bound the partitions. A pair is computed once and shown both ways. Its cost grows with the square of the
 * number of stocks: hence at most 40.
 */
export const correlationMatrix = defineQuery<Correlation>()({
  name: "correlation-matrix",
  summary: "how the returns of chosen stocks move together",
  options: {
    stocks: requiredSymbols({ about: "their symbols", least: 2, most: 40 }),
    from: day({ about: "the first day", shownDefault: "a year before the last" }),
    to: day({ about: "the last day", shownDefault: "today" }),
  },
  tables: ["stocks", "price_history"],
  sample: `
    select array_agg(symbol) as stocks
    from (select symbol from stocks where delisted_on is null order by id limit 10) s having count(*) > 1`,
  expectation: { indexes: ["price_history_pkey"], partitions: 14, buffers: 3_000 },
  statement: ({ stocks, from, to }) => ({
    text: `
  with prices as (
    select s.id, p.date, p.price
    from stocks s
    cross join lateral (
      select date, coalesce(adjusted_close, close)::float8 as price
      from ${prices}
      where stock_id = s.id
        and date between coalesce($2::date, coalesce($3::date, current_date + 1) - 365)
                     and coalesce($3::date, current_date + 1)
      offset 0
    ) p
    where s.symbol = any ($1)
  ),
  returns as materialized (
    select id, date, lag(date) over stock as since, price / nullif(lag(price) over stock, 0) - 1 as return
    from prices
    window stock as (partition by id order by date)
  ),
  pairs as (
    select a.id as one, b.id as other, corr(a.return, b.return) as correlation, count(*)::int as days
    from returns a
    join returns b on b.date = a.date and b.since = a.since and b.id > a.id
    where a.return is not null and b.return is not null
    group by a.id, b.id
  ),
  own as (
    select id as one, id as other, corr(return, return) as correlation, count(return)::int as days
    from returns group by id
  ),
  matrix as (
    select * from own
    union all
    select * from pairs
    union all
    select other, one, correlation, days from pairs
  )
  select a.symbol as stock, b.symbol as other, m.correlation, coalesce(m.days, 0) as days
  from stocks a
  cross join stocks b
  left join matrix m on m.one = a.id and m.other = b.id
  where a.symbol = any ($1) and b.symbol = any ($1)
  order by a.symbol, b.symbol`,
    values: [stocks, from, to],
  }),
});

/** Asks {@link correlationMatrix}. */
export const getCorrelationMatrix = (db: Queryable, options: Given<typeof correlationMatrix.options>) =>
  runQuery(db, correlationMatrix, options);
