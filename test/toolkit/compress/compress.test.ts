import { afterEach, expect, test } from "@jest/globals";
import { pack } from "../../../toolkit/compress/pack.ts";
import { status } from "../../../toolkit/compress/status.ts";
import { unpack } from "../../../toolkit/compress/unpack.ts";
import { verify } from "../../../toolkit/compress/verify.ts";
import { connect } from "../../../toolkit/connection.ts";
import type { TestDatabase } from "../../support/database.ts";
import { filled, olderThan, rowsOf, runKilledAt, widest } from "./support.ts";

const databases: TestDatabase[] = [];
afterEach(async () => {
  await Promise.all(databases.splice(0).map((database) => database.drop()));
});

async function made(): Promise<TestDatabase> {
  const database = await filled();
  databases.push(database);
  await database.client.query(widest);
  return database;
}

async function partitions(database: TestDatabase): Promise<string[]> {
  const { rows } = await database.client.query(
    "select partition::text as name from partition_bounds('price_history') where from_date < '2021-01-01' order by 1",
  );
  return rows.map(({ name }) => name);
}

test("packed rows read as before, and come back the very same, in the same partitions", async () => {
  const database = await made();
  const { client, connection } = database;
  const [before, months] = [await rowsOf(database, "price_history"), await partitions(database)];
  const packed = await pack(connection, { olderThan });
  expect(packed.periods.map(({ period }) => period)).toEqual([
    "2018-07-01",
    "2019-01-01",
    "2019-07-01",
    "2020-01-01",
    "2020-07-01",
  ]);
  expect(packed.tidied).toBe(true);
  expect(await partitions(database)).toEqual(["price_history_late"]);
  expect(await rowsOf(database, "packed.price_history")).toEqual(before);
  expect(await rowsOf(database, "price_history")).toHaveLength(8);
  const total = before.length - 8;
  expect(await verify(client)).toEqual({ rows: total, chunks: 40, damaged: [], doubled: 0 });
  expect(await status(client, olderThan)).toMatchObject({ packed: { rows: total, to: "2020-10-31" }, waiting: [] });
  expect((await pack(connection, { olderThan })).periods).toEqual([]);

  await client.query("set search_path to packed, public");
  expect((await client.query("select count(*)::int as rows from price_history")).rows).toEqual([
    { rows: before.length },
  ]);
  await client.query("reset search_path");

  await unpack(connection, { from: "2020-01-01" });
  expect(await partitions(database)).toEqual([...months.slice(-10), "price_history_late"]);
  expect(await rowsOf(database, "packed.price_history")).toEqual(before);
  await unpack(connection, {});
  expect(await partitions(database)).toEqual(months);
  expect(await rowsOf(database, "price_history")).toEqual(before);
  expect(await rowsOf(database, "packed.price_history_packed")).toEqual([]);
}, 60_000);

test("a late row and a correction take the place of packed rows at once, and are packed with them next", async () => {
  const database = await made();
  const { client, connection } = database;
  await pack(connection, { olderThan });
  const upsert = (stock: number, date: string, close: number) =>
    client.query(
      `insert into price_history (stock_id, date, close) values ($1, $2, $3)
       on conflict (stock_id, date) do update set close = excluded.close`,
      [stock, date, close],
    );
  const read = async () =>
    (
      await client.query(
        `select stock_id as stock, close::text from packed.price_history
         where (stock_id, date) in ((1, '2019-05-01'), (5, '2019-05-02')) order by 1`,
      )
    ).rows;
  await client.query("begin");
  await upsert(1, "2019-05-01", 77);
  await client.query("rollback");
  const { rows: old } = await client.query("select count(*)::int as n from packed.price_history");
  await upsert(1, "2019-05-01", 42);
  await upsert(1, "2019-05-01", 43);
  await upsert(5, "2019-05-02", 7);
  const expected = [
    { stock: 1, close: "43.000000" },
    { stock: 5, close: "7.000000" },
  ];
  expect(await read()).toEqual(expected);
  expect(await verify(client)).toMatchObject({ damaged: [], doubled: 0 });
  const packed = await pack(connection, { olderThan });
  expect(packed.periods.map(({ period }) => period)).toEqual(["2019-01-01"]);
  expect(await read()).toEqual(expected);
  expect(await verify(client)).toMatchObject({ damaged: [], doubled: 0 });
  expect((await client.query("select count(*)::int as n from packed.price_history")).rows[0].n).toBe(old[0].n + 1);
}, 60_000);

test("readers in every isolation level count the same rows all the time, while pack and unpack are killed again and again", async () => {
  const database = await made();
  const { connection } = database;
  const before = await rowsOf(database, "packed.price_history");
  const reader = await connect(connection);
  let stopped = false;
  const counts = new Set<number>();
  let looks = 0;
  const reading = (async () => {
    while (!stopped) {
      const level = ["read committed", "repeatable read"][looks % 2];
      await reader.query(`begin isolation level ${level}; select 1 from stocks limit 1`);
      if (looks % 4 === 1) await new Promise((done) => setTimeout(done, 40));
      const { rows } = await reader.query("select count(*)::int as n from packed.price_history");
      await reader.query("commit");
      counts.add(rows[0].n);
      looks++;
    }
  })();
  let kills = 0;
  for (const what of ["pack", "unpack"] as const)
    for (let n = 14; ; n += 23) {
      const { code, signal } = await runKilledAt(database, what, n);
      if (code === 0) break;
      expect(signal).toBe("SIGKILL");
      kills++;
    }
  stopped = true;
  await reading;
  await reader.end();
  expect(kills).toBeGreaterThan(3);
  expect({ counts: [...counts], looks: looks > 10 }).toEqual({ counts: [before.length], looks: true });
  expect(await rowsOf(database, "price_history")).toEqual(before);
}, 60_000);

test("an age that is none, and a price that is not a number, are refused", async () => {
  const database = await made();
  await expect(pack(database.connection, { olderThan: "soon" })).rejects.toThrow(
    `"soon" is not an age\n  fix: Write it as PostgreSQL does: '2 years', '18 months', '90 days'.`,
  );
  await database.client.query("update price_history set high = 'NaN' where stock_id = 1 and date = '2018-12-01'");
  await expect(pack(database.connection, { olderThan })).rejects.toThrow(
    "the half-year from 2018-07-01 cannot be packed",
  );
  expect((await status(database.client, olderThan)).packed.rows).toBe(0);
}, 60_000);
