import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type pg from "pg";
import Cursor from "pg-cursor";
import { createPool, type Pool } from "../../../toolkit/pool/pool.ts";
import { nameWritingFunctions, onWritten, type Written } from "../../../toolkit/pool/writes.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { until } from "./support.ts";

let database: TestDatabase;
let pool: Pool;
const told: Written[] = [];
const end = onWritten((written) => told.push(written));

beforeAll(async () => {
  database = await createDatabase();
  await database.client.query(`create table notes (n int);
    create function "takeNote"(n int) returns int language sql as 'insert into notes values (n) returning n'`);
  pool = createPool(database.connection, { min: 1, max: 1 });
  nameWritingFunctions(["takeNote", "take_note"]);
});
afterAll(async () => {
  end();
  await pool.end();
  await database.drop();
});

const [rows, anything] = [[{ definitions: false }], [{ definitions: true }]];

test.each<[string, Written[]]>([
  ["select count(*) from notes", []],
  ["show work_mem; begin; set local work_mem = '1MB'; commit", []],
  ["insert into notes values (1)", rows],
  ["begin; insert into notes values (1); select 1; commit", rows],
  ["truncate notes; create index on notes (n)", anything],
  ["with written as (insert into notes values (1) returning n) select n from written", anything],
  ['select public."takeNote" (1)', anything],
  ["do 'begin insert into notes values (1); end'", anything],
  ["insert into notes select 1 / 0", []],
  ["insert into notes values (1); commit; select 1 / 0", rows],
])("%s", async (text, expected) => {
  told.length = 0;
  await pool.query(text).catch(() => {});
  // The server's last word on a statement that fails comes after the error.
  await pool.query("select");
  expect(told).toEqual(expected);
});

test("a transaction is told at its commit, before its caller hears of it, and not before that", async () => {
  told.length = 0;
  await pool.transaction(async (client) => {
    await client.query("insert into notes values (1)");
    await Promise.all([client.query("select 1"), client.query("select 2")]);
    expect(told).toEqual([]);
  });
  expect(told).toEqual(rows);
});

test("what a cursor does is told, and what was in flight when the backend was killed", async () => {
  told.length = 0;
  await pool.withClient(async (client) => {
    const cursor = client.query(new Cursor("insert into notes values (1) returning n"));
    await cursor.read(10);
    await cursor.close();
  });
  expect(told).toEqual(rows);
  const lost = pool.query("insert into notes select pg_sleep(10)::text::int").catch((error: pg.DatabaseError) => error);
  await until(() => pool.getConnectionPoolStatus().holders[0]?.state === "running");
  await database.client.query("select pg_terminate_backend($1, 10000)", [
    pool.getConnectionPoolStatus().holders[0]!.pid,
  ]);
  await lost;
  await until(() => told.length > 1);
  expect(told[1]).toEqual(anything[0]);
});
