import { createDatabase, type TestDatabase } from "../../support/database.ts";

/**
 * A database at head with a million prices: 260 stocks over 15 years of weekdays up to today, one in twenty delisted,
 * and indicators of every tenth week. Keys are built over full tables, which takes a third of the time.
 */
export async function millionPrices(): Promise<TestDatabase> {
  const database = await createDatabase({ template: "head" });
  await database.client.query(`
    set synchronous_commit = off;
    insert into sectors (name) select 'Sector ' || i from generate_series(1, 11) as i;
    insert into stocks (symbol, name, sector_id, delisted_on)
      select 'S' || lpad(i::text, 4, '0'), 'Stock ' || i, case when i % 50 <> 0 then i % 11 + 1 end,
             case when i % 20 = 0 then '2018-06-29'::date end
      from generate_series(1, 260) as i;
    select ensure_partitions(parent::regclass, current_date - 5480, current_date)
      from unnest(array['price_history', 'technical_indicators']) as parent;
    alter table price_history drop constraint price_history_pkey, drop constraint price_history_stock_id_fkey;
    alter table technical_indicators drop constraint technical_indicators_pkey,
                                     drop constraint technical_indicators_stock_id_fkey;
    insert into price_history (stock_id, date, close)
      select s, date, (5000 + s * 10 + n % 700 + (hash & 255))::numeric / 100
      from generate_series(1, 260) as s
      cross join lateral (
        select n, current_date - n as date, hashint4(s * 10007 + n) as hash from generate_series(0, 5479) as n offset 0
      ) as days
      where extract(isodow from date) < 6 and (s % 20 <> 0 or date <= '2018-06-29');
    insert into technical_indicators (stock_id, date, rsi_14, macd, sma_50, sma_200, bollinger_upper, bollinger_lower)
      select stock_id, date, 20 + (hashint4(stock_id * 31 + (current_date - date)) & 4095) / 70.0, 0.1, close, close,
             close + 1, close - 1
      from price_history where (current_date - date) / 7 % 10 = 0;
    alter table price_history add constraint price_history_pkey primary key (stock_id, date);
    alter table price_history add constraint price_history_stock_id_fkey foreign key (stock_id) references stocks;
    alter table technical_indicators add constraint technical_indicators_pkey primary key (stock_id, date);
    insert into recommendations (stock_id, action, confidence, is_active, created_at, target_price)
      select i % 260 + 1, (array['buy', 'hold', 'sell'])[i % 3 + 1], (i * 7919 % 1000) / 1000.0, i % 10 = 0,
             now() - i * interval '1 hour', 60
      from generate_series(1, 20000) as i;
    insert into api_usage (provider, endpoint, status, cost, tokens, called_at, rate_limit, rate_limit_remaining,
                           rate_limit_resets_at)
      select 'provider ' || i % 6, 'endpoint', 200, 0.01, 10, now() - i * interval '3 minutes',
             500, i % 500, now() + interval '1 hour'
      from generate_series(1, 50000) as i;
    create index if not exists technical_indicators_date_rsi_14_idx on technical_indicators (date, rsi_14);
    select refresh_daily_market_summary()`);
  await database.client.query("vacuum analyze");
  // As in the parameter table of infra/parameters.ts.
  await database.client.query("set random_page_cost = 1.1; set jit = off");
  return database;
}
