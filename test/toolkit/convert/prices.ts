import { afterAll } from "@jest/globals";
import type pg from "pg";
import { applyMigrations } from "../../../toolkit/migrate/apply.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";

const open: TestDatabase[] = [];
afterAll(async () => {
  for (const database of open) await database.drop();
});

/** A database with an empty price_history as it is before it is partitioned; it goes with the test file. */
export async function plainDatabase(): Promise<TestDatabase> {
  const database = await createDatabase();
  open.push(database);
  await applyMigrations(database.connection, { directory: "migrations", to: "0017_replace_table" });
  await database.client.query(
    "insert into stocks (symbol, name) select 'S' || n, 'a stock' from generate_series(1, 9) n",
  );
  return database;
}

/** An empty database that goes with the test file. */
export async function emptyDatabase(): Promise<TestDatabase> {
  const database = await createDatabase();
  open.push(database);
  return database;
}

/** The rows of a table of prices as "stock date close". */
export async function prices(client: pg.ClientBase, table = "price_history"): Promise<string[]> {
  const { rows } = await client.query<{ price: string }>(
    `select concat_ws(' ', stock_id, date::text, close::float8) as price from ${table}`,
  );
  return rows.map(({ price }) => price).sort();
}

/** Fills price_history: stocks 5 to 9 have prices on some days of four months. */
export async function fill(client: pg.ClientBase, days = 100): Promise<string[]> {
  await client.query(
    `insert into price_history (stock_id, date, close, volume)
     select s, date '2024-01-10' + d, s + d / 100.0, 10 * d from generate_series(0, $1 - 1) d, generate_series(5, 9) s`,
    [days],
  );
  return prices(client);
}
