import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase({ template: "head" });
  await fill(database);
}, 60_000);
afterAll(() => database.drop());

/** 200 stocks over 500 days, and enough of everything else for an index to be worth its while. */
async function fill({ client }: TestDatabase): Promise<void> {
  await client.query(`
    insert into sectors (name) select 'sector ' || i from generate_series(1, 50) as i;
    insert into stocks (symbol, name, sector_id)
      select 's' || i, 'stock ' || i, i % 50 + 1 from generate_series(1, 5000) as i;
    select ensure_partitions(parent::regclass, '2023-01-01', '2024-05-31')
      from unnest(array['price_history', 'technical_indicators']) as parent;
    insert into price_history (stock_id, date, close)
      select s, '2023-01-01'::date + d, 10 + (s * d) % 7 from generate_series(1, 200) as s, generate_series(0, 500) as d;
    insert into technical_indicators (stock_id, date, rsi_14)
      select stock_id, date, (stock_id * 13 + extract(doy from date)::int * 7) % 101 from price_history;
    insert into recommendations (stock_id, action, confidence, is_active, created_at)
      select i % 5000 + 1, 'buy', (i * 7919 % 1000) / 1000.0, i % 10 = 0, now() - i * interval '1 hour'
      from generate_series(1, 30000) as i;
    insert into fundamentals (stock_id, period_end)
      select s, '2020-01-01'::date + q * 91 from generate_series(1, 5000) as s, generate_series(0, 5) as q;
    insert into api_usage (provider, endpoint, status, cost, called_at, rate_limit)
      select 'provider ' || i % 10, 'endpoint ' || i % 30, 200, 0.01, now() - i * interval '1 minute',
             case when i % 100 < 10 then 500 end
      from generate_series(1, 40000) as i;
    insert into portfolios (owner, name) select 'o' || i, 'p' from generate_series(1, 2000) as i;
    insert into holdings (portfolio_id, stock_id, quantity)
      select i % 2000 + 1, i * 7 % 5000 + 1, 1 from generate_series(1, 30000) as i;
    insert into watchlists (owner, name) select 'o' || i, 'w' from generate_series(1, 2000) as i;
    insert into watchlist_items (watchlist_id, stock_id)
      select i % 2000 + 1, (i / 2000 * 331 + i) % 5000 + 1 from generate_series(1, 30000) as i`);
  await client.query("vacuum analyze");
  // As in the parameter table of infra/parameters.ts: on the default, a few rows are rather sorted than read in order.
  await client.query("set random_page_cost = 1.1");
}

interface Node {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  Plans?: Node[];
}

const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

/**
 * What a query reads: indexes by the name of the partitioned index they belong to, tables read from end to end,
 * and how often rows are sorted.
 * Partitions that are empty do not count: whichever of their indexes is read, there is nothing in it.
 */
async function reads(sql: string) {
  const { rows } = await database.client.query(`explain (format json) ${sql}`);
  const nodes = nodesOf(rows[0]["QUERY PLAN"][0].Plan);
  const names = nodes.flatMap((node) => node["Index Name"] ?? []);
  const roots = await database.client.query(
    `select distinct coalesce(pg_partition_root(indexrelid), indexrelid)::regclass::text as root
     from unnest($1::text[]) as name join pg_index on indexrelid = name::regclass join pg_class t on t.oid = indrelid
     where reltuples > 0`,
    [names],
  );
  return {
    indexes: roots.rows.map(({ root }) => root).sort(),
    partitions: new Set(nodes.flatMap((node) => node["Relation Name"] ?? [])).size,
    sequential: nodes.filter((node) => node["Node Type"] === "Seq Scan").map((node) => node["Relation Name"]),
    sorts: nodes.filter((node) => node["Node Type"].includes("Sort")).length,
    nodes: nodes.map((node) => node["Node Type"]),
  };
}

// biome-ignore format: a question, its statement and its index, beside each other
const queries: [question: string, sql: string, index: string][] = [
  ["the latest price of a stock",
    "select * from price_history where stock_id = 7 order by date desc limit 1",
    "price_history_pkey"],
  ["the latest prices of many stocks",
    `select s.id, p.* from unnest(array[1, 5, 9, 90]) as s (id) cross join lateral
       (select date, close from price_history where stock_id = s.id order by date desc limit 1) as p`,
    "price_history_pkey"],
  ["a stock's prices over a quarter",
    "select * from price_history where stock_id = 7 and date between '2023-04-01' and '2023-06-30' order by date",
    "price_history_pkey"],
  ["the latest indicators of a stock",
    "select * from technical_indicators where stock_id = 7 order by date desc limit 1",
    "technical_indicators_pkey"],
  ["the stocks whose RSI is low on a day",
    "select stock_id, rsi_14 from technical_indicators where date = '2024-02-15' and rsi_14 < 5",
    "technical_indicators_date_rsi_14_idx"],
  ["the best active recommendations",
    "select * from recommendations where is_active order by confidence desc, id desc limit 20",
    "recommendations_active_confidence_idx"],
  ["the next page of them",
    "select * from recommendations where is_active and (confidence, id) < (0.9, 500) order by confidence desc, id desc limit 20",
    "recommendations_active_confidence_idx"],
  ["what was recommended for a stock",
    "select * from recommendations where stock_id = 7 order by created_at desc limit 10",
    "recommendations_stock_id_created_at_idx"],
  ["the stocks of a sector",
    "select symbol from stocks where sector_id = 7",
    "stocks_sector_id_idx"],
  ["a stock by its symbol",
    "select * from stocks where symbol = 's7'",
    "stocks_symbol_key"],
  ["the latest fundamentals of a stock",
    "select * from fundamentals where stock_id = 7 order by period_end desc limit 1",
    "fundamentals_stock_id_period_end_key"],
  ["the latest calls of an endpoint",
    "select * from api_usage where provider = 'provider 3' and endpoint = 'endpoint 3' order by called_at desc limit 20",
    "api_usage_provider_endpoint_called_at_idx"],
  ["what a day cost, by provider",
    "select provider, sum(cost), sum(tokens) from api_usage where called_at >= now() - interval '1 day' group by provider",
    "api_usage_called_at_cost_idx"],
  ["a provider's rate limit, last known",
    `select rate_limit, rate_limit_remaining, rate_limit_resets_at from api_usage
     where provider = 'provider 3' and rate_limit is not null order by called_at desc limit 1`,
    "api_usage_rate_limit_idx"],
  ["what a portfolio holds",
    "select * from holdings where portfolio_id = 7",
    "holdings_portfolio_id_stock_id_idx"],
  ["who holds a stock",
    "select portfolio_id from holdings where stock_id = 7",
    "holdings_stock_id_idx"],
  ["what is on a watchlist",
    "select * from watchlist_items where watchlist_id = 7",
    "watchlist_items_watchlist_id_stock_id_key"],
  ["who watches a stock",
    "select watchlist_id from watchlist_items where stock_id = 7",
    "watchlist_items_stock_id_idx"],
];

test.each(queries)(
  "%s: found by its index, in order, without reading a table from end to end",
  async (_question, sql, index) => {
    expect(await reads(sql)).toMatchObject({ indexes: [index], sequential: [], sorts: 0 });
  },
);

test("a span of dates reads the partitions of its months and no others", async () => {
  const span = "select count(*) from price_history where date between '2023-04-30' and '2023-06-01'";
  expect((await reads(span)).partitions).toBe(3);
  await database.client.query("prepare span (date, date) as select * from price_history where date between $1 and $2");
  await database.client.query("set plan_cache_mode = force_generic_plan");
  const { rows } = await database.client.query("explain (format json) execute span ('2023-04-30', '2023-06-01')");
  expect(nodesOf(rows[0]["QUERY PLAN"][0].Plan).filter((node) => node["Relation Name"])).toHaveLength(3);
});

test("costs and rate limits are answered from the index alone", async () => {
  for (const [question, sql] of queries.filter(([, , index]) => /cost|rate_limit/.test(index)))
    expect([question, (await reads(sql)).nodes]).toEqual([question, expect.arrayContaining(["Index Only Scan"])]);
});

test("every foreign key is the start of an index", async () => {
  const { rows } = await database.client.query(
    `select conrelid::regclass::text as "table", conname from pg_constraint c
     join pg_class r on r.oid = conrelid
     where contype = 'f' and not relispartition and relnamespace = 'public'::regnamespace
       and not exists (select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])`,
  );
  expect(rows).toEqual([]);
});

test("no index is the start of another one", async () => {
  const { rows } = await database.client.query(
    `select a.indexrelid::regclass::text as index, b.indexrelid::regclass::text as longer
     from pg_index a join pg_index b on a.indrelid = b.indrelid and a.indexrelid <> b.indexrelid
     join pg_class r on r.oid = a.indrelid
     where not a.indisunique and not relispartition and a.indpred is null and b.indpred is null
       and relnamespace = 'public'::regnamespace
       and array_to_string(b.indkey, ' ') || ' ' like array_to_string(a.indkey, ' ') || ' %'`,
  );
  expect(rows).toEqual([]);
});
