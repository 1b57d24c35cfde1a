import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type pg from "pg";
import { connect } from "../../toolkit/connection.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createDatabase({ template: "head" });
  client = database.client;
});
afterAll(() => database.drop());

async function ensure(from: string | null, to: string | null, session = client, parent = "price_history") {
  const { rows } = await session.query("select ensure_partitions($1, $2, $3) as made", [parent, from, to]);
  return rows[0].made as number;
}

async function partitions(from: string, to: string, parent = "price_history"): Promise<string[]> {
  const { rows } = await client.query(
    "select partition::text from partition_bounds($1) where from_date between $2 and $3 order by from_date",
    [parent, from, to],
  );
  return rows.map(({ partition }) => partition);
}

async function refusal(work: Promise<unknown>): Promise<string[]> {
  const error = await work.then(
    () => Promise.reject(new Error("it was accepted")),
    (refused: pg.DatabaseError) => refused,
  );
  return [error.message, error.detail, error.hint].filter((text) => text !== undefined);
}

test("the migrations make this month and the twelve after it", async () => {
  const { rows } = await client.query(
    `select parent, count(*)::int as months, min(from_date) = date_trunc('month', now())::date as begins_now,
            max(to_date) = date_trunc('month', now() + interval '13 months')::date as ends_in_a_year
     from unnest(array['price_history', 'technical_indicators']) as parent, partition_bounds(parent::regclass)
     group by parent order by parent`,
  );
  const expected = { months: 13, begins_now: true, ends_in_a_year: true };
  expect(rows).toEqual([
    { parent: "price_history", ...expected },
    { parent: "technical_indicators", ...expected },
  ]);
});

test("months are made once, whatever days of them are named", async () => {
  expect(await ensure("2020-01-15", "2020-03-01")).toBe(3);
  expect(await ensure("2020-01-31", "2020-03-31")).toBe(0);
  expect(await partitions("2020-01-01", "2020-12-31")).toEqual([
    "price_history_2020_01",
    "price_history_2020_02",
    "price_history_2020_03",
  ]);
});

test("only what is missing is made: the gaps", async () => {
  await ensure("2021-02-01", "2021-02-01");
  await ensure("2021-04-01", "2021-04-01");
  const { rows } = await client.query(
    "select array_agg(month::text) as missing from missing_months('price_history', '2021-01-01', '2021-05-31') as month",
  );
  expect(rows[0].missing).toEqual(["2021-01-01", "2021-03-01", "2021-05-01"]);
  expect(await ensure("2021-01-01", "2021-05-31")).toBe(3);
  expect(await partitions("2021-01-01", "2021-12-31")).toHaveLength(5);
});

test("a partition has the parent's key, columns and foreign key, and takes rows", async () => {
  await ensure("1999-12-31", "2000-01-01");
  await client.query("insert into stocks (symbol, name) values ('AAA', 'First')");
  await client.query(`
    insert into price_history (stock_id, date, close)
    select id, date, 1 from stocks, unnest(array['1999-12-31', '2000-01-01']::date[]) as date`);
  const { rows } = await client.query("select tableoid::regclass::text as partition from price_history order by date");
  expect(rows.map(({ partition }) => partition)).toEqual(["price_history_1999_12", "price_history_2000_01"]);
  const constraints = await client.query(
    `select conname, pg_get_constraintdef(oid) as definition from pg_constraint
     where conrelid = 'price_history_1999_12'::regclass and contype in ('p', 'f') order by conname`,
  );
  expect(constraints.rows).toEqual([
    { conname: "price_history_1999_12_pkey", definition: "PRIMARY KEY (stock_id, date)" },
    { conname: "price_history_stock_id_fkey", definition: "FOREIGN KEY (stock_id) REFERENCES stocks(id)" },
  ]);
});

test("sessions that ask for the same months at once make each of them once, and none fails", async () => {
  const sessions = await Promise.all(Array.from({ length: 6 }, () => connect(database.connection)));
  try {
    const made = await Promise.all(
      sessions.map((session, index) => ensure(`2010-0${index + 1}-01`, "2010-12-31", session)),
    );
    expect(made.reduce((sum, number) => sum + number, 0)).toBe(12);
    expect(await partitions("2010-01-01", "2010-12-31")).toHaveLength(12);
  } finally {
    await Promise.all(sessions.map((session) => session.end()));
  }
});

test("a session waits for another one's uncommitted months, and then finds nothing to do", async () => {
  const other = await connect(database.connection);
  try {
    await other.query("begin");
    expect(await ensure("2011-01-01", "2011-03-31", other)).toBe(3);
    const waiting = ensure("2011-01-01", "2011-03-31");
    await other.query("select pg_sleep(0.1)");
    await other.query("commit");
    expect(await waiting).toBe(0);
  } finally {
    await other.end();
  }
});

test("while months are made in an open transaction, others read, write and find their own months", async () => {
  const other = await connect(database.connection);
  try {
    await other.query("begin");
    await ensure("2012-01-01", "2012-12-31", other);
    await client.query("set lock_timeout = '2s'");
    await client.query("update price_history set close = close + 1");
    await client.query("insert into price_history (stock_id, date, close) select id, '2020-01-02', 1 from stocks");
    await client.query("select count(*) from price_history");
    expect(await ensure("2020-01-01", "2020-02-01")).toBe(0);
    await other.query("rollback");
  } finally {
    await client.query("reset lock_timeout");
    await other.end();
  }
});

test("absurd ranges are refused, with what would be taken", async () => {
  const year = new Date().getFullYear() + 10;
  const [message, detail, hint] = await refusal(ensure("0024-01-01", "9999-12-31"));
  expect(message).toBe("partitions of price_history from 0024-01-01 to 9999-12-31 are refused");
  expect(detail).toMatch(new RegExp(`^Dates from 1800-01-01 to ${year}-\\d\\d-\\d\\d are taken\\.$`));
  expect(hint).toBe("Correct the dates; a mistyped year is the usual reason.");
  expect((await refusal(ensure("-infinity", "infinity")))[0]).toBe(
    "partitions of price_history from -infinity to infinity are refused",
  );
  expect(await refusal(ensure("2020-02-01", "2020-01-01"))).toEqual([
    "partitions of price_history from 2020-02-01 to 2020-01-01: that is no range of dates",
    "Give the first date and then the last.",
  ]);
  expect((await refusal(ensure(null, "2020-01-01")))[0]).toBe(
    "partitions of price_history from null to 2020-01-01: that is no range of dates",
  );
  expect(await refusal(ensure("2020-01-01", "2020-01-01", client, "stocks"))).toEqual([
    "stocks is not partitioned by a range of dates",
  ]);
  expect(await refusal(client.query("select create_partitions_ahead('price_history', 121)"))).toEqual([
    "partitions of price_history are not made 121 months ahead",
    "Give a number of months from 0 to 120.",
  ]);
});

test("a table or a partition that is in the way is named", async () => {
  await client.query("create table price_history_2013_01 (id int)");
  expect(await refusal(ensure("2013-01-01", "2013-01-31"))).toEqual([
    "the table price_history_2013_01 is in the way: it is no partition of price_history",
    "Attach it, if its rows belong there, or rename it.",
  ]);
  await client.query("create table odd partition of price_history for values from ('2014-01-10') to ('2014-01-20')");
  expect(await refusal(ensure("2014-01-01", "2014-03-31"))).toEqual([
    "odd covers the month 2014-01 of price_history only in part",
    "Make the partitions of its other days by hand.",
  ]);
  expect(await partitions("2014-01-01", "2014-12-31")).toEqual(["odd"]);
});

test("partitions wider than a month count for the months in them", async () => {
  await client.query("create table wide partition of price_history for values from ('1990-01-01') to ('1991-01-01')");
  expect(await ensure("1989-12-01", "1991-01-01")).toBe(2);
});

test("a table is not replaced by one with fewer rows", async () => {
  await client.query(
    "create table full_one as select 1 as id; create schema other; create table other.full_one (id int)",
  );
  expect(await refusal(client.query("select replace_table('full_one', 'other.full_one')"))).toEqual([
    "full_one has 1 rows and the table to replace it has 0",
    "Nothing was replaced. Find the rows that were not copied.",
  ]);
  expect((await client.query("select * from full_one")).rows).toEqual([{ id: 1 }]);
});

test("a table's privileges go over to the one that replaces it", async () => {
  await client.query(`
    create table seen as select 1 as id;
    grant select, insert on seen to public;
    create table other.seen as table seen;
    select replace_table('seen', 'other.seen')`);
  const { rows } = await client.query(
    `select array_agg(privilege_type order by privilege_type) as privileges
     from pg_class, aclexplode(relacl) where oid = 'public.seen'::regclass and grantee = 0`,
  );
  expect(rows[0].privileges).toEqual(["INSERT", "SELECT"]);
});
