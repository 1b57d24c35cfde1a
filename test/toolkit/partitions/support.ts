import { afterAll } from "@jest/globals";
import type pg from "pg";
import { createDatabase, type TestDatabase } from "../../support/database.ts";

const open: TestDatabase[] = [];
afterAll(async () => {
  for (const database of open) await database.drop();
});

/** A database with an odd name for everything, that goes with the test file. */
export async function oddDatabase(): Promise<TestDatabase> {
  const database = await createDatabase();
  open.push(database);
  await database.client.query('create schema "Odd.Place"');
  return database;
}

/** A table of readings, partitioned by time, whose upkeep stopped three months ago: newer rows are in the default. */
export async function forgottenTable(client: pg.ClientBase, rows = 3_000): Promise<string> {
  const table = '"Odd.Place"."Read""ings"';
  await client.query(`
    create table "Odd.Place".sensors (id int primary key);
    insert into "Odd.Place".sensors select generate_series(1, 5);
    create table ${table} (
      sensor int not null references "Odd.Place".sensors, "At time" timestamptz, value int not null check (value >= 0),
      twice int generated always as (value * 2) stored, unique (sensor, "At time")
    ) partition by range ("At time");
    create index on ${table} (value);
    create table "Odd.Place".rest partition of ${table} default`);
  await client.query(
    `select set_config('test.sql', format('create table "Odd.Place".before partition of ${table.replaceAll("'", "''")} for values from (%L) to (%L)',
       date_trunc('month', now() at time zone 'UTC') - interval '4 months', date_trunc('month', now() at time zone 'UTC') - interval '3 months'), false)`,
  );
  const made = await client.query("select current_setting('test.sql') as sql");
  await client.query(made.rows[0].sql.replaceAll("00:00:00'", "00:00:00 UTC'"));
  await client.query(
    `insert into ${table} (sensor, "At time", value)
     select 1 + n % 5, date_trunc('month', now()) - interval '85 days' + n * interval '80 days' / $1, n from generate_series(1, $1) n`,
    [rows],
  );
  return table;
}

/** The rows as text, sorted. */
export async function contentsOf(client: pg.ClientBase, table: string): Promise<string[]> {
  const { rows } = await client.query<{ row: string }>(`select t::text as row from ${table} t`);
  return rows.map(({ row }) => row).sort();
}
