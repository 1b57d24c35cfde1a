import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { MigrationBuilder } from "node-pg-migrate";
import { up } from "../../migrations/0021_daily_market_summary.ts";
import { pack } from "../../toolkit/compress/pack.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase({ template: "head" });
  // Every seventh stock is traded once a month, others on most days of the week.
  await database.client.query(`
    select ensure_partitions('price_history', '2019-01-01', '2019-12-31');
    insert into sectors (name) values ('Energy'), ('Materials');
    insert into stocks (symbol, name, sector_id)
      select 'S' || n, 'a stock', nullif(n % 3, 0) from generate_series(1, 20) n;
    insert into price_history (stock_id, date, close, adjusted_close, volume)
      select s, d::date, 10 + (s * 7 + extract(doy from d)::int * 13) % 17, nullif(11 + s % 5, 12), 1000 * s
      from generate_series(1, 20) s, generate_series(timestamp '2019-01-01', '2019-12-31', '1 day') d
      where extract(isodow from d) < 6 and (s % 7 > 0 or extract(day from d) = 2) and (s + extract(doy from d)::int) % 11 > 0`);
});
afterAll(() => database.drop());

const refresh = async () =>
  (await database.client.query("select refresh_daily_market_summary() as days")).rows[0].days as number;

const rounded = (name: string) => `round(${name}::numeric, 12) as ${name}`;
const columns = `date, sector, stocks, advancers, decliners, unchanged, ${["average_return", "best_return", "worst_return"].map(rounded).join(", ")}, volume`;

/** Compares the table with what the materialized view of an earlier migration would hold. */
async function differences(): Promise<unknown[]> {
  let sql = "";
  await up({ sql: (text: string) => (sql = text) } as unknown as MigrationBuilder);
  const query = sql.slice(sql.indexOf(" as\n") + 4, sql.indexOf(";")).replace("price_history", "packed.price_history");
  const [kept, computed] = ["daily_market_summary", `(${query}) as computed`].map(
    (from) => `select ${columns} from ${from}`,
  );
  const { rows } = await database.client.query(
    `(${kept} except all ${computed}) union all (${computed} except all ${kept})`,
  );
  return rows;
}

test("after any changes of prices, stocks and sectors a refresh leaves what computing all days would", async () => {
  const { client } = database;
  expect(await refresh()).toBe(261);
  expect(await differences()).toEqual([]);
  await client.query("select setseed(0.271828)");
  const day = "(date '2019-01-01' + (random() * 364)::int)";
  const changes = [
    `insert into price_history (stock_id, date, close, volume)
       select s, ${day}, 1 + (random() * 30)::int, 5 from generate_series(1, 20) s where random() < 0.3
       on conflict (stock_id, date) do update set close = excluded.close`,
    `update price_history set adjusted_close = close * 2 where date = ${day} and stock_id % 2 = 0`,
    `update price_history set close = 0, adjusted_close = null where date = ${day} and stock_id = 3`,
    `update price_history p set date = p.date + 1 where stock_id = 1 + (random() * 19)::int and date = ${day}
       and not exists (select from price_history q where q.stock_id = p.stock_id and q.date = p.date + 1)`,
    `delete from price_history where date = ${day}`,
    `with days as (select ${day} as first) delete from price_history using days
       where date between first and first + 9 and stock_id = 1 + (first - date '2019-01-01') % 20`,
    `update stocks set sector_id = 1 + (random() * 1)::int where id = 1 + (random() * 19)::int and random() < 0.2`,
    `update sectors set name = name || '.' where random() < 0.05`,
  ];
  for (let round = 0; round < 24; round++) {
    for (let n = 0; n <= round % 3; n++) await client.query(changes[(round * 5 + n * 3) % changes.length]!);
    await refresh();
    expect({ round, differences: await differences() }).toEqual({ round, differences: [] });
  }
  await client.query("delete from price_history where date > '2019-12-01'");
  await refresh();
  expect(await differences()).toEqual([]);
  await client.query("update sectors set name = rtrim(name, '.')");
  await refresh();
});

/** The number of the days, and of those on which any stock has its next price within a week. */
async function affectedBy(days: string[]): Promise<number> {
  const { rows } = await database.client.query(
    `with days as (select unnest($1::date[]) as day)
     select count(*)::int as number from (
       select day from days
       union
       select min(date) from days join price_history on date > day and date <= day + 7 group by day, stock_id) as affected`,
    [days],
  );
  expect(rows[0].number).toBeLessThan(15);
  return rows[0].number;
}

test("only the days that changed are computed, and those of the next prices", async () => {
  const { client } = database;
  expect(await refresh()).toBe(0);
  await client.query(`
    delete from price_history where date between '2019-05-03' and '2019-05-20' and stock_id = 5;
    update stocks set name = 'another name'`);
  await refresh();
  await client.query("insert into price_history (stock_id, date, close) values (5, '2019-05-09', 4)");
  expect(await refresh()).toBe(await affectedBy(["2019-05-09"]));
  await client.query(
    "insert into price_history (stock_id, date, close) values (5, '2019-05-14', 4), (5, '2019-05-15', 5)",
  );
  await client.query("update price_history set close = 7 where stock_id = 5 and date = '2019-05-09'");
  expect(await refresh()).toBe(await affectedBy(["2019-05-09", "2019-05-14", "2019-05-15"]));
  expect(await differences()).toEqual([]);
  const { rows } = await client.query(
    "select refreshed_at > now() - interval '1 minute' as fresh from summary_refresh where name = 'daily_market_summary'",
  );
  expect(rows).toEqual([{ fresh: true }]);
});

test("packing prices changes no day, and packed prices are read where a day beside them changes", async () => {
  const { client, connection } = database;
  await pack(connection, { olderThan: "2 years" });
  expect(await refresh()).toBe(0);
  expect((await client.query("select count(*)::int as rows from price_history")).rows).toEqual([{ rows: 0 }]);
  await client.query("insert into price_history (stock_id, date, close) values (5, '2019-06-11', 4)");
  expect(await refresh()).toBeGreaterThan(0);
  expect(await differences()).toEqual([]);
});
