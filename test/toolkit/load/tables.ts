import type pg from "pg";
import { createDatabase, type TestDatabase } from "../../support/database.ts";

/**
 * The two forms that price_history can have: "plain" is the one that a database brings along, with no key on
 * (stock_id, date); "partitioned" is that of the head of the migrations.
 */
export type Shape = "plain" | "partitioned";

/** A database of a test's own with the tables that the loader fills. */
export async function createPriceDatabase(shape: Shape): Promise<TestDatabase> {
  if (shape === "partitioned") return createDatabase({ template: "head" });
  const database = await createDatabase();
  await database.client.query(`
    create table stocks (id serial primary key, symbol text unique not null, name text not null);
    create table price_history (
      id bigserial primary key, stock_id int not null references stocks, date date not null,
      open numeric(18,6), high numeric(18,6), low numeric(18,6), close numeric(18,6) not null,
      adjusted_close numeric(18,6), volume bigint)`);
  return database;
}

/** Empties the tables and the journal of loads. */
export async function emptyTables({ client }: TestDatabase): Promise<void> {
  await client.query("truncate price_history, stocks cascade");
  await client.query("drop table if exists deploy.load");
}

/** Every price as `symbol date open high low close adjusted volume`, trailing zeros cut. */
export async function prices({ client }: TestDatabase): Promise<string[]> {
  const { rows } = await client.query(`
    select concat_ws(' ', symbol, date, coalesce(trim_scale(open)::text, '-'), coalesce(trim_scale(high)::text, '-'),
                     coalesce(trim_scale(low)::text, '-'), trim_scale(close),
                     coalesce(trim_scale(adjusted_close)::text, '-'), coalesce(volume::text, '-')) as price
    from price_history join stocks on stocks.id = stock_id order by symbol, date`);
  return rows.map(({ price }) => price);
}

/** Waits until another session in this database waits for a lock, which the test holds. */
export async function waitUntilBlocked(client: pg.Client): Promise<void> {
  await waitFor(async () => {
    // Not pg_stat_activity: inside a transaction that keeps showing what it showed first.
    const { rowCount } = await client.query(
      `select from pg_locks join pg_database d on d.oid = database where not granted and datname = current_database()`,
    );
    return rowCount !== 0;
  });
}

/** Asks again and again until something is so; the test's own time limit ends it. */
export async function waitFor(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((done) => setTimeout(done, 20));
}
