import type pg from "pg";

/**
 * Fills every table of the first schema with rows that are awkward to move: several months and a gap of years between
 * them, the first and the last day of a month, nulls, the largest price, a stock without anything.
 */
export async function fillTables(client: pg.ClientBase): Promise<void> {
  await client.query(`
    insert into sectors (name) values ('Energy'), ('Materials');
    insert into stocks (symbol, name, sector_id, listed_on) values
      ('AAA', 'First', 1, '1980-01-01'), ('BBB', 'Second', 2, null), ('CCC', 'No sector', null, null),
      ('DDD', 'No prices', 1, null);
    insert into price_history (stock_id, date, open, high, low, close, adjusted_close, volume)
      select s, d::date, 10 + s, 12 + s, 9 + s, 11 + s + extract(doy from d)::int / 1000.0, null, 1000 * s
      from generate_series(3, 1, -1) as s, generate_series('2024-01-31'::date, '2024-04-01', '1 day') as d;
    insert into price_history (stock_id, date, close, adjusted_close, volume) values
      (1, '1987-10-19', 999999999999.999999, 0.000001, null), (2, '1987-10-20', 1, 1, 9007199254740991);
    insert into technical_indicators (stock_id, date, rsi_14, macd, sma_20)
      select stock_id, date, 100 * random(), nullif(stock_id, 2), 1.0 / 3 from price_history;
    insert into recommendations (stock_id, action, confidence, target_price, is_active, expires_at, reasoning)
      select s, 'buy', s / 4.0, 20, s <> 2, null, 'because' from generate_series(1, 3) as s;
    insert into fundamentals (stock_id, period_end, revenue) values (1, '2023-12-31', 1e9), (1, '2024-03-31', null);
    insert into api_usage (provider, endpoint, status, cost, rate_limit) values
      ('p', '/quote', 200, 0.001, 100), ('p', '/news', 429, 0, null);
    insert into portfolios (owner, name) values ('me', 'mine');
    insert into holdings (portfolio_id, stock_id, quantity) values (1, 1, 1.5), (1, 1, 2), (1, 2, 3);
    insert into watchlists (owner, name) values ('me', 'watched');
    insert into watchlist_items (watchlist_id, stock_id, note) values (1, 1, null), (1, 3, 'maybe');`);
}

/**
 * A checksum of each table's rows. Without the surrogate ids of the two tables that lose theirs when they are
 * partitioned: nothing refers to them. What is derived from the others is left out.
 */
export async function contents(client: pg.ClientBase): Promise<Record<string, string>> {
  const { rows: tables } = await client.query<{ name: string }>(
    `select relname as name from pg_class
     where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
       and relname not in ('pgmigrations', 'daily_market_summary', 'weekly_price_summary', 'summary_change', 'summary_refresh')`,
  );
  const sums: Record<string, string> = {};
  for (const { name } of tables) {
    const row = ["price_history", "technical_indicators"].includes(name) ? "to_jsonb(t) - 'id'" : "to_jsonb(t)";
    const { rows } = await client.query(
      `select count(*) || ' rows, ' || md5(coalesce(string_agg(row, ' ' order by row), '')) as sum
       from (select (${row})::text as row from ${name} t) as rows`,
    );
    sums[name] = rows[0].sum;
  }
  return sums;
}
