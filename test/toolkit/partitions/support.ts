import { spawn } from "node:child_process";
import { afterAll } from "@jest/globals";
import type pg from "pg";
import { type Connection, connectionString } from "../../../toolkit/connection.ts";
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

/** Calls an exported function in a process of its own that kills itself (SIGKILL) before or after its n-th query. */
export function runKilledAt(
  connection: Connection,
  [module, action]: [string, string],
  options: object,
  n: number,
): Promise<{ code: number | null; signal: NodeJS.Signals | null; stderr: string }> {
  const code = `
    import pg from "pg";
    import { parseConnectionString } from "./toolkit/connection.ts";
    import { ${action} } from "./toolkit/partitions/${module}.ts";
    import { report } from "./toolkit/cli.ts";
    const query = pg.Client.prototype.query;
    let sent = 0;
    const die = () => process.kill(process.pid, "SIGKILL");
    pg.Client.prototype.query = function (...args) {
      sent++;
      if (sent >= ${n} && sent % 2 === 0) die();
      const result = query.apply(this, args);
      if (sent >= ${n}) setImmediate(die);
      return result;
    };
    try {
      await ${action}(parseConnectionString(process.env.DATABASE_URL), ${JSON.stringify(options)});
    } catch (error) {
      process.exitCode = report(error);
    }`;
  const { NODE_OPTIONS, ...env } = process.env;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", code], {
    env: { ...env, DATABASE_URL: connectionString(connection) },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((done) => {
    child.on("close", (code, signal) => done({ code, signal, stderr }));
  });
}
