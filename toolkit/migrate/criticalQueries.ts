/** A query that users wait for, and that no migration may spoil. */
export interface CriticalQuery {
  name: string;
  /** Tables of the schema public that it reads; where one is missing, the query is not looked at. */
  tables: readonly string[];
  /** Gives the values of $1, $2, …, as the columns of one row; where it gives none, there is nothing to ask for. */
  parameters?: string;
  sql: string;
}

/**
 * The watched set: what the application asks most, each the reason of an index in migrations/. Looked at before and
 * after migrations: its plan by EXPLAIN, its time by EXPLAIN ANALYZE.
 */
export const criticalQueries: readonly CriticalQuery[] = [
  {
    name: "price range of a stock",
    tables: ["price_history"],
    parameters: `
      select stock_id, max(date) - 365 as from_date, max(date) as to_date
      from price_history where stock_id = (select stock_id from price_history limit 1) group by stock_id`,
    sql: `
      select date, open, high, low, close, volume from price_history
      where stock_id = $1 and date between $2 and $3 order by date`,
  },
  {
    name: "latest price of a stock",
    tables: ["price_history"],
    parameters: "select stock_id from price_history limit 1",
    sql: "select date, close from price_history where stock_id = $1 order by date desc limit 1",
  },
  {
    name: "active recommendations by confidence",
    tables: ["recommendations"],
    sql: `
      select id, stock_id, action, confidence, target_price from recommendations
      where is_active order by confidence desc, id desc limit 50`,
  },
  {
    name: "analysis of a sector",
    tables: ["stocks", "sectors", "price_history"],
    parameters: "select sector_id from stocks where sector_id is not null limit 1",
    sql: `
      select s.symbol, p.date, p.close
      from stocks s
      cross join lateral (
        select date, close from price_history where stock_id = s.id order by date desc limit 1
      ) p
      where s.sector_id = $1`,
  },
  {
    name: "cost of API calls",
    tables: ["api_usage"],
    parameters: "select called_at - interval '30 days' as since from api_usage order by called_at desc limit 1",
    sql: `
      select provider, count(*) as calls, sum(cost) as cost, sum(tokens) as tokens from api_usage
      where called_at >= $1 group by provider`,
  },
];
