import { expect, test } from "@jest/globals";
import { runner } from "node-pg-migrate";
import { connect } from "../../../toolkit/connection.ts";
import { applyMigrations } from "../../../toolkit/migrate/apply.ts";
import { fingerprint } from "../../../toolkit/migrate/fingerprint.ts";
import { revertMigrations } from "../../../toolkit/migrate/rollback.ts";
import { alone, failure, makeDatabase, makeFolder, sql, steady, until } from "./support.ts";

const three = {
  "0001_stocks.sql": sql("create table stocks (id int primary key, name text not null)", "drop table stocks"),
  "0002_stocks_by_name.ts": alone(
    "create index concurrently stocks_by_name on stocks (name)",
    "drop index concurrently stocks_by_name",
  ),
  "0003_names.sql": sql("create view names as select name from stocks", "drop view names"),
};

test("pending migrations are applied in order, recorded, and told of; a second run has nothing to do", async () => {
  const { connection, client } = await makeDatabase();
  const { directory } = await makeFolder({ ...three, "README.md": "words" });
  const lines: string[] = [];
  const first = await applyMigrations(connection, { directory, say: (line) => lines.push(line) });
  const names = ["0001_stocks", "0002_stocks_by_name", "0003_names"];
  expect(first).toEqual({ applied: names, head: "0003_names", fingerprint: await fingerprint(client), ran: names });
  expect(lines.map((line) => line.replace(/in .*/, "in TIME"))).toEqual(names.map((name) => `applied ${name} in TIME`));
  const ran = await client.query("select name from pgmigrations order by id");
  expect(ran.rows.map(({ name }) => name)).toEqual(names);
  const journal = await client.query("select name from deploy.migration where finished_at is not null order by 1");
  expect(journal.rows.map(({ name }) => name)).toEqual(names);
  const second = await applyMigrations(connection, { directory });
  expect(second).toEqual({ ...first, ran: [] });
});

test("a run stops at the migration that it is told, and refuses one that is not there", async () => {
  const { connection } = await makeDatabase();
  const folder = await makeFolder(three);
  const { directory } = folder;
  expect((await applyMigrations(connection, { directory, to: "0002_stocks_by_name" })).head).toBe(
    "0002_stocks_by_name",
  );
  expect(steady(await failure(applyMigrations(connection, { directory, to: "0009_x" })), folder)).toBe(
    `there is no migration 0009_x
  fix: Use the name of a migration without its extension, such as 0003_names.`,
  );
});

test("nothing is touched when a migration cannot run", async () => {
  const { connection, client } = await makeDatabase();
  const { directory } = await makeFolder({ ...three, "0004_bad.ts": "export const down = false;" });
  await failure(applyMigrations(connection, { directory }));
  const { rows } = await client.query("select to_regclass('stocks') as stocks, to_regnamespace('deploy') as deploy");
  expect(rows).toEqual([{ stocks: null, deploy: null }]);
});

test("a failing migration is told with its statement and line, leaves nothing, and those before it stay", async () => {
  const { connection, client } = await makeDatabase();
  const folder = await makeFolder({
    "0001_stocks.sql": three["0001_stocks.sql"],
    "0002_bad.sql": sql("create table more ();\nalter table stocks\n  add check (price > 0)"),
  });
  const { directory } = folder;
  expect(steady(await failure(applyMigrations(connection, { directory })), folder)).toBe(
    `0002_bad failed: column "price" does not exist
  why: SQLSTATE 42703 at line 3 of its SQL:
        3  alter table stocks
        4    add check (price > 0);
  fix: Correct migrations/0002_bad.sql, then run \`up\` again. It left nothing behind; the migrations before it stay applied.`,
  );
  const { rows } = await client.query(
    "select to_regclass('more') as more, array(select name::text from pgmigrations) as applied",
  );
  expect(rows).toEqual([{ more: null, applied: ["0001_stocks"] }]);
  await folder.write({ "0002_bad.sql": sql("alter table stocks add check (id > 0)") });
  expect((await applyMigrations(connection, { directory })).ran).toEqual(["0002_bad"]);
});

test("the journal is left with what was begun, and without what was to come after it", async () => {
  const { connection, client } = await makeDatabase();
  const { directory } = await makeFolder({
    "0001_stocks.sql": three["0001_stocks.sql"],
    "0002_bad.sql": sql("select\n  from from"),
    "0003_names.sql": three["0003_names.sql"],
  });
  const lines: string[] = [];
  expect(await failure(applyMigrations(connection, { directory, say: (line) => lines.push(line) }))).toContain(
    "SQLSTATE 42601 at line 3 of its SQL:",
  );
  expect(lines.map((line) => line.replace(/in .*/, "in TIME"))).toEqual(["applied 0001_stocks in TIME"]);
  const { rows } = await client.query(
    "select name, finished_at is not null as finished from deploy.migration order by name",
  );
  expect(rows).toEqual([
    { name: "0001_stocks", finished: true },
    { name: "0002_bad", finished: false },
  ]);
});

test("where PostgreSQL points at a place in a long statement, its surroundings are shown", async () => {
  const { connection } = await makeDatabase();
  const filler = Array.from({ length: 6 }, (_, n) => `select ${n};`).join("\n");
  const folder = await makeFolder({ "0001_bad.sql": sql(`${filler}\nselect\n  nowhere;\n${filler}`) });
  expect(steady(await failure(applyMigrations(connection, { directory: folder.directory })), folder)).toBe(
    `0001_bad failed: column "nowhere" does not exist
  why: SQLSTATE 42703 at line 9 of its SQL:
        7  select 5;
        8  select
    >   9    nowhere;
       10  select 0;
       11  select 1;
           …
  fix: Correct migrations/0001_bad.sql, then run \`up\` again. It left nothing behind; the migrations before it stay applied.`,
  );
});

test("a migration gets a fresh session, whatever the one before it set and the database's defaults are", async () => {
  const { connection, client } = await makeDatabase();
  await client.query(`create role reader; alter database ${connection.database} set statement_timeout to '50ms'`);
  const { directory } = await makeFolder({
    "0001_a.sql": sql("set search_path to pg_catalog; set role reader"),
    "0002_b.sql": sql("create table here as select current_user::text as who; select pg_sleep(0.1)"),
  });
  await applyMigrations(connection, { directory });
  expect((await client.query("select who from public.here")).rows).toEqual([{ who: connection.user }]);
  await client.query("drop role reader");
});

test("a database that node-pg-migrate migrated before is taken over, and that is said", async () => {
  const { connection, client } = await makeDatabase();
  const { directory } = await makeFolder(three);
  const options = { dir: directory, migrationsTable: "pgmigrations", direction: "up", checkOrder: true } as const;
  await runner({ ...options, dbClient: client, count: 2, singleTransaction: false, log: () => {} });
  const lines: string[] = [];
  const { ran } = await applyMigrations(connection, { directory, say: (line) => lines.push(line) });
  expect(ran).toEqual(["0003_names"]);
  expect(lines[0]).toBe(
    "taking over 2 migrations that node-pg-migrate applied before: 0001_stocks, 0002_stocks_by_name",
  );
  const { rows } = await client.query("select name, transactional from deploy.migration order by name");
  expect(rows).toEqual([
    { name: "0001_stocks", transactional: true },
    { name: "0002_stocks_by_name", transactional: false },
    { name: "0003_names", transactional: true },
  ]);
});

test("what node-pg-migrate does beside us is recorded, and is no change by hand", async () => {
  const { connection, client } = await makeDatabase();
  const { directory } = await makeFolder(three);
  await applyMigrations(connection, { directory, to: "0002_stocks_by_name" });
  const options = { dir: directory, migrationsTable: "pgmigrations", dbClient: client, log: () => {} } as const;
  const lines: string[] = [];
  await runner({ ...options, direction: "up" });
  await applyMigrations(connection, { directory, say: (line) => lines.push(line) });
  await runner({ ...options, direction: "down", count: 1 });
  const { ran } = await applyMigrations(connection, { directory, say: (line) => lines.push(line) });
  expect(ran).toEqual(["0003_names"]);
  expect(lines.slice(0, 2)).toEqual([
    "recording what ran outside of `up`, or before it was interrupted: 0003_names",
    "no longer applied: 0003_names",
  ]);
});

test("migrations are undone in reverse order, and the schema is what it was", async () => {
  const { connection } = await makeDatabase();
  const { directory } = await makeFolder(three);
  const one = await applyMigrations(connection, { directory, to: "0001_stocks" });
  const head = await applyMigrations(connection, { directory });
  const reverted = await revertMigrations(connection, { directory, to: "0001_stocks" });
  expect(reverted).toEqual({
    applied: ["0001_stocks"],
    head: "0001_stocks",
    fingerprint: one.fingerprint,
    reverted: ["0003_names", "0002_stocks_by_name"],
  });
  expect((await applyMigrations(connection, { directory })).fingerprint).toBe(head.fingerprint);
  expect((await revertMigrations(connection, { directory })).reverted).toEqual(["0003_names"]);
});

test("a migration that cannot be undone is said to be so before any other is undone", async () => {
  const { connection } = await makeDatabase();
  const { directory } = await makeFolder({
    "0001_a.sql": three["0001_stocks.sql"],
    "0002_b.ts": "export function up(pgm) { pgm.sql('truncate stocks'); }\nexport const down = false;",
    "0003_c.sql": three["0003_names.sql"],
  });
  await applyMigrations(connection, { directory });
  expect(await failure(revertMigrations(connection, { directory, count: 3 }))).toBe(
    `0002_b cannot be undone
  why: It exports down = false.
  fix: Restore a backup, or write a new migration that brings back what is needed.`,
  );
  expect((await revertMigrations(connection, { directory })).reverted).toEqual(["0003_c"]);
});

test("a connection that is lost is said to be so, and the next run goes on", async () => {
  const { connection, client } = await makeDatabase();
  const { directory } = await makeFolder({
    "0001_a.sql": three["0001_stocks.sql"],
    "0002_b.sql": sql("create table more (); select pg_sleep(0.3)", "drop table more"),
  });
  const running = failure(applyMigrations(connection, { directory }));
  const sleeping = "select pid from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
  await until(async () => (await client.query(sleeping)).rowCount);
  await client.query(`select pg_terminate_backend(pid) from (${sleeping}) s`);
  expect(await running).toBe(
    `the connection to the server was lost during 0002_b
  why: terminating connection due to administrator command
  fix: Run \`up\` again once the server answers: it finds out how far this run came, and goes on from there.`,
  );
  expect((await applyMigrations(connection, { directory })).ran).toEqual(["0002_b"]);
});

test("a user who may not create the journal is told what to grant", async () => {
  const { connection, client } = await makeDatabase();
  const { directory } = await makeFolder(three);
  const user = `limited_${connection.database}`;
  await client.query(`create role ${user} login password 'x'`);
  const limited = { ...connection, user, password: "x" };
  expect(await failure(applyMigrations(limited, { directory }))).toBe(
    `the journal of migrations, schema deploy, cannot be created
  why: permission denied for database ${connection.database}
  fix: Grant it: grant create on database ${connection.database} to ${user};`,
  );
  await (await connect(limited)).end();
  await client.query(`drop role ${user}`);
});
