import { randomBytes } from "node:crypto";
import pg from "pg";
import { refreshViews } from "../../toolkit/analysis/views.ts";
import { type Connection, withClient } from "../../toolkit/connection.ts";
import { applyMigrations } from "../../toolkit/migrate/apply.ts";
import { readMigrations } from "../../toolkit/migrate/files.ts";
import { render } from "../../toolkit/migrate/render.ts";
import { say } from "../../toolkit/terminal.ts";
import { loadMarket, type Sizes } from "./load.ts";

/** The same rows twice: as the application left them, and as the migrations make them. */
export interface Databases {
  before: Connection;
  after: Connection;
  /** Seconds that it took to fill the first, and to migrate the second. */
  seconds: { load: number; migrate: number };
  drop(): Promise<void>;
}

/**
 * Makes the two databases: the first by the first migration and COPY, the second as a copy of its files, brought to head.
 * @param server its maintenance database
 */
export async function makeDatabases(server: Connection, sizes: Sizes): Promise<Databases> {
  const tail = randomBytes(4).toString("hex");
  const [before, after] = ["before", "after"].map((name) => ({ ...server, database: `headline_${name}_${tail}` })) as [
    Connection,
    Connection,
  ];
  const name = ({ database }: Connection) => pg.escapeIdentifier(database);
  const admin = (...statements: string[]) =>
    withClient(server, {}, async (client) => {
      for (const statement of statements) await client.query(statement);
    });
  const drop = () => admin(...[before, after].map((each) => `drop database if exists ${name(each)} with (force)`));
  try {
    await admin(`create database ${name(before)} template template0`);
    await applyFirst(before);
    const load = await loadMarket(before, sizes);
    say(`  loaded in ${load.toFixed(0)} s; migrating a copy of it`);
    // wal_log, the default, would write every page to the WAL as well.
    await admin(`create database ${name(after)} template ${name(before)} strategy file_copy`);
    const started = performance.now();
    await withClient(after, {}, (client) =>
      client.query(
        "create table pgmigrations (id serial primary key, name varchar(255) not null, run_on timestamp not null)",
      ),
    );
    await withClient(after, {}, (client) =>
      client.query("insert into pgmigrations (name, run_on) values ('0001_initial_schema', now())"),
    );
    await applyMigrations(after, { directory: "migrations" });
    await withClient(after, {}, async (client) => {
      await refreshViews(client);
      await client.query("vacuum (analyze)");
    });
    return { before, after, seconds: { load, migrate: (performance.now() - started) / 1000 }, drop };
  } catch (error) {
    await drop().catch(() => {});
    throw error;
  }
}

/** Only the first migration: what the application's ORM made. */
async function applyFirst(connection: Connection): Promise<void> {
  const [first] = await readMigrations("migrations");
  const { statements } = await render(first!, "up");
  await withClient(connection, {}, async (client) => {
    for (const { text } of statements) await client.query(text);
  });
}
