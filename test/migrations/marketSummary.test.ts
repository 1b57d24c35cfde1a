import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { MigrationBuilder } from "node-pg-migrate";
import { up as createDailySummary } from "../../migrations/0021_daily_market_summary.ts";
import { up as createWeeklySummary } from "../../migrations/0022_weekly_price_summary.ts";
import { refreshViews } from "../../toolkit/analysis/views.ts";
import { pack } from "../../toolkit/compress/pack.ts";
import { revertMigrations } from "../../toolkit/migrate/rollback.ts";
import { summaryStaleness } from "../../toolkit/partitions/staleness.ts";
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

/** Brings both summaries up to date. @returns how many days and weeks were computed */
async function refresh(): Promise<{ days: number; weeks: number }> {
  const { rows } = await database.client.query(
    "select refresh_daily_market_summary() as days, refresh_weekly_price_summary() as weeks",
  );
  return rows[0];
}

const rounded = (name: string) => `round(${name}::numeric, 12) as ${name}`;
const summaries = [
  {
    name: "daily_market_summary",
    create: createDailySummary,
    columns: `date, sector, stocks, advancers, decliners, unchanged, ${["average_return", "best_return", "worst_return"].map(rounded).join(", ")}, volume`,
  },
  {
    name: "weekly_price_summary",
    create: createWeeklySummary,
    columns: `stock_id, week, days, open, high, low, close, adjusted_close, volume, ${rounded("return")}`,
  },
];

/** Compares the tables with what the materialized views of earlier migrations would hold. */
async function differences(): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const { name, create, columns } of summaries) {
    let sql = "";
    await create({ sql: (text: string) => (sql = text) } as unknown as MigrationBuilder);
    const query = sql
      .slice(sql.indexOf(" as\n") + 4, sql.indexOf(";"))
      .replace("price_history", "packed.price_history");
    const [kept, computed] = [name, `(${query}) as computed`].map((from) => `select ${columns} from ${from}`);
    const { rows } = await database.client.query(
      `(${kept} except all ${computed}) union all (${computed} except all ${kept})`,
    );
    found.push(...rows);
  }
  return found;
}

test("after any changes of prices, stocks and sectors a refresh leaves what computing all days would", async () => {
  const { client } = database;
  expect(await refresh()).toEqual({ days: 261, weeks: 53 });
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
  expect(await refresh()).toEqual({ days: 0, weeks: 0 });
  await client.query(`
    delete from price_history where date between '2019-05-03' and '2019-05-20' and stock_id = 5;
    update stocks set name = 'another name'`);
  await refresh();
  await client.query("insert into price_history (stock_id, date, close) values (5, '2019-05-09', 4)");
  expect((await refresh()).days).toBe(await affectedBy(["2019-05-09"]));
  await client.query(
    "insert into price_history (stock_id, date, close) values (5, '2019-05-14', 4), (5, '2019-05-15', 5)",
  );
  await client.query("update price_history set close = 7 where stock_id = 5 and date = '2019-05-09'");
  expect((await refresh()).days).toBe(await affectedBy(["2019-05-09", "2019-05-14", "2019-05-15"]));
  expect(await differences()).toEqual([]);
});

test("of the weeks, those that changed are computed, and the two after them; only rows that differ are written", async () => {
  const { client } = database;
  const places = async () => {
    const { rows } = await client.query("select stock_id || ' ' || week as row, ctid::text from weekly_price_summary");
    return new Map(rows.map(({ row, ctid }) => [row, ctid]));
  };
  const before = await places();
  await client.query(
    "update price_history set close = 21, adjusted_close = 21 where stock_id = 4 and date = '2019-08-09'",
  );
  await client.query("update price_history set high = 90 where stock_id = 5 and date in ('2019-02-05', '2019-02-06')");
  expect((await refresh()).weeks).toBe(6);
  expect(await differences()).toEqual([]);
  const moved = [...(await places())].filter(([row, ctid]) => before.get(row) !== ctid).map(([row]) => row);
  // The second change is of a week's high, which no return looks at.
  expect(moved.sort()).toEqual(["4 2019-08-05", "4 2019-08-12", "5 2019-02-04"]);
});

test("each summary has its own part of the changes, and tells how stale it is", async () => {
  const { client } = database;
  const waiting = async () => (await summaryStaleness(client)).map((summary) => summary.waiting);
  await client.query("update price_history set close = 8 where stock_id = 5 and date = '2019-05-09'");
  expect(await waiting()).toEqual([1, 1]);
  await client.query("select refresh_weekly_price_summary()");
  const [daily, weekly] = await summaryStaleness(client);
  expect([daily!.waiting, weekly!.waiting]).toEqual([1, 0]);
  expect([daily!.staleSince, weekly!.staleSince]).toEqual([expect.any(Date), null]);
  expect(weekly!.refreshedAt!.getTime()).toBeGreaterThan(daily!.staleSince!.getTime());
  await client.query("select refresh_daily_market_summary()");
  expect(await waiting()).toEqual([0, 0]);
  expect((await client.query("select from summary_change")).rowCount).toBe(0);
  // A week's prices know no sector.
  await client.query("update sectors set name = 'Another' where id = 1");
  expect(await waiting()).toEqual([1, 0]);
  await refresh();
});

test("packing prices changes no day, and packed prices are read where a day beside them changes", async () => {
  const { client, connection } = database;
  await pack(connection, { olderThan: "2 years" });
  expect(await refresh()).toEqual({ days: 0, weeks: 0 });
  expect((await client.query("select count(*)::int as rows from price_history")).rows).toEqual([{ rows: 0 }]);
  await client.query("insert into price_history (stock_id, date, close) values (5, '2019-06-11', 4)");
  expect((await refresh()).days).toBeGreaterThan(0);
  expect(await differences()).toEqual([]);
});

test("undone, the weekly summary is a view again, with the same rows, and is refreshed as a whole", async () => {
  const { client, connection } = database;
  const rows = async () => (await client.query("select * from weekly_price_summary order by stock_id, week")).rows;
  const before = await rows();
  const { rows: later } = await client.query(
    "select count(*)::int as number from pgmigrations where name >= '0026_weekly_price_summary_by_week'",
  );
  await revertMigrations(connection, { directory: "migrations", count: later[0].number });
  expect(await rows()).toEqual(before);
  await client.query("insert into price_history (stock_id, date, close) values (5, '2019-06-12', 5)");
  await client.query("refresh materialized view weekly_price_summary with no data");
  for (let n = 0; n < 2; n++) await refreshViews(client);
  expect(await rows()).not.toEqual(before);
});
