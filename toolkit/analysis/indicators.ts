import type pg from "pg";
import { UserError } from "../errors.ts";
import { allPrices } from "./prices.ts";

/** The columns of technical_indicators that are computed. */
const indicators = [
  ...["rsi_14", "macd", "macd_signal", "macd_histogram"],
  ...["sma_20", "sma_50", "sma_200", "ema_12", "ema_26"],
  ...["bollinger_upper", "bollinger_middle", "bollinger_lower"],
];

/**
 * Brings technical_indicators in line with price_history: rows that are new or different are written, rows whose price
 * is gone are deleted, the others are left alone. The price is the adjusted close where there is one, otherwise the
 * close; a period is one price of the stock, whatever time lies between two of them.
 * @param options.stocks symbols of the stocks to look at; all when left out
 * @returns how many rows were written or deleted
 * @throws UserError for a symbol that no stock has
 */
export async function computeIndicators(client: pg.ClientBase, options: { stocks?: string[] } = {}): Promise<number> {
  const ids = options.stocks ? await stockIds(client, options.stocks) : null;
  const prices = await allPrices(client);
  await ensureMonths(client, prices, ids);
  const { rows } = await client.query<{ changed: number }>(statement(prices), [ids]);
  return rows[0]!.changed;
}

async function stockIds(client: pg.ClientBase, symbols: string[]): Promise<number[]> {
  const { rows } = await client.query<{ id: number; symbol: string }>(
    "select id, symbol from stocks where symbol = any ($1)",
    [symbols],
  );
  const known = new Set(rows.map(({ symbol }) => symbol));
  const unknown = symbols.filter((symbol) => !known.has(symbol));
  if (unknown.length > 0)
    throw new UserError(`there is no stock ${unknown.join(", ")}`, { fix: "Load its prices first." });
  return rows.map(({ id }) => id);
}

/** Creates the partitions that the indicators need; consecutive months take one call together. */
async function ensureMonths(client: pg.ClientBase, prices: string, ids: number[] | null): Promise<void> {
  await client.query(
    `select ensure_partitions('technical_indicators', min(month), max(month))
     from (select month, month - row_number() over (order by month) * interval '1 month' as run
           from (select distinct date_trunc('month', date::timestamp)::date as month
                 from ${prices}
                 where $1::integer[] is null or stock_id = any ($1)) as used) as months
     group by run`,
    [ids],
  );
}

const list = indicators.join(", ");
const of = (table: string) => indicators.map((column) => `${table}.${column}`).join(", ");
const set = indicators.map((column) => `${column} = excluded.${column}`).join(", ");

/**
 * Moving averages and Bollinger's bands (20 periods, two standard deviations of the population: John Bollinger,
 * "Bollinger on Bollinger Bands", 2001) are computed in numeric, which is exact over a moving frame, where floating
 * point would carry an error along. Wilder's RSI is 100 - 100 / (1 + gain / loss), written so that a stock that only
 * rose has 100; without any move it is null. MACD is Appel's: ema 12 less ema 26, and a signal over 9.
 * The dates before the first indicator get no row.
 */
const statement = (prices: string) => `
  with prices as (
    select stock_id, date, coalesce(adjusted_close, close) as price
    from ${prices}
    where $1::integer[] is null or stock_id = any ($1)
  ),
  moves as (
    select *, (price - lag(price) over (partition by stock_id order by date))::double precision as move
    from prices
  ),
  averages as (
    select stock_id, date,
           wilder(case when move > 0 then move when move <= 0 then 0 end, 14) over stock as gain,
           wilder(case when move < 0 then -move when move >= 0 then 0 end, 14) over stock as loss,
           ema(price::double precision, 12) over stock as ema_12,
           ema(price::double precision, 26) over stock as ema_26,
           case when row_number() over stock >= 20 then avg(price) over last_20 end as mean_20,
           case when row_number() over stock >= 20 then stddev_pop(price) over last_20 end as deviation_20,
           case when row_number() over stock >= 50 then avg(price) over last_50 end as mean_50,
           case when row_number() over stock >= 200 then avg(price) over last_200 end as mean_200
    from moves
    window stock as (partition by stock_id order by date),
           last_20 as (partition by stock_id order by date rows 19 preceding),
           last_50 as (partition by stock_id order by date rows 49 preceding),
           last_200 as (partition by stock_id order by date rows 199 preceding)
  ),
  signals as (
    select *, ema(ema_12 - ema_26, 9) over (partition by stock_id order by date) as macd_signal
    from averages
  ),
  computed as materialized (
    select stock_id, date,
           100 * gain / nullif(gain + loss, 0) as rsi_14,
           ema_12 - ema_26 as macd,
           macd_signal,
           ema_12 - ema_26 - macd_signal as macd_histogram,
           mean_20::double precision as sma_20,
           mean_50::double precision as sma_50,
           mean_200::double precision as sma_200,
           ema_12, ema_26,
           (mean_20 + 2 * deviation_20)::double precision as bollinger_upper,
           mean_20::double precision as bollinger_middle,
           (mean_20 - 2 * deviation_20)::double precision as bollinger_lower
    from signals
    where ema_12 is not null
  ),
  written as (
    insert into technical_indicators as t (stock_id, date, ${list})
    select c.stock_id, c.date, ${of("c")}
    from computed c
    left join technical_indicators known on known.stock_id = c.stock_id and known.date = c.date
    where known.stock_id is null or row(${of("known")}) is distinct from row(${of("c")})
    on conflict (stock_id, date) do update set ${set}
    where row(${of("t")}) is distinct from row(${of("excluded")})
    returning 1
  ),
  deleted as (
    delete from technical_indicators t
    where ($1::integer[] is null or t.stock_id = any ($1))
      and not exists (select from computed c where c.stock_id = t.stock_id and c.date = t.date)
    returning 1
  )
  select ((select count(*) from written) + (select count(*) from deleted))::integer as changed`;
