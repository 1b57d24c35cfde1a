import { expect, test } from "@jest/globals";
import { PG_MIGRATE_LOCK_ID } from "node-pg-migrate";
import { connect } from "../../../toolkit/connection.ts";
import { applyMigrations } from "../../../toolkit/migrate/apply.ts";
import { alone, failure, makeDatabase, makeFolder, sql, steady, until } from "./support.ts";

const table = sql("create table stocks (id int primary key)", "drop table stocks");

test("a run waits for another session that has the lock, and says who it is", async () => {
  const { connection } = await makeDatabase();
  const folder = await makeFolder({ "0001_stocks.sql": table });
  const holder = await connect(connection, { applicationName: "the other one" });
  await holder.query("select pg_advisory_lock($1)", [PG_MIGRATE_LOCK_ID]);
  const lines: string[] = [];
  const running = applyMigrations(connection, { directory: folder.directory, say: (line) => lines.push(line) });
  await until(() => lines.length > 0);
  await holder.end();
  expect((await running).ran).toEqual(["0001_stocks"]);
  expect(steady(lines[0]!, folder)).toBe(
    'another run of migrations is at work: session PID ("the other one", user postgres, since TIME); waiting up to 600 s',
  );
});

test("a run does not wait for ever for the lock", async () => {
  const { connection } = await makeDatabase();
  const folder = await makeFolder({ "0001_stocks.sql": table });
  const holder = await connect(connection, { applicationName: "the other one" });
  await holder.query("select pg_advisory_lock($1)", [PG_MIGRATE_LOCK_ID]);
  const { directory } = folder;
  expect(steady(await failure(applyMigrations(connection, { directory, patience: 0 })), folder)).toBe(
    `another run of migrations is at work on this database
  why: session PID ("the other one", user postgres, since TIME) holds the lock, and did not finish within 0 s.
  fix: Wait until it has finished and run again. If nobody works there any more, end that session: select pg_terminate_backend(PID).`,
  );
  await holder.end();
});

test("of two runs at once one waits for the other, and both end well", async () => {
  const { connection } = await makeDatabase();
  const { directory } = await makeFolder({
    "0001_stocks.sql": table,
    "0002_index.ts": alone("create index concurrently stocks_i on stocks (id)"),
    "0003_slow.sql": sql("select pg_sleep(0.2)"),
  });
  const runs = await Promise.all([1, 2].map(() => applyMigrations(connection, { directory })));
  expect(runs.map(({ ran }) => ran.length).sort()).toEqual([0, 3]);
  expect(runs[0]!.fingerprint).toBe(runs[1]!.fingerprint);
});

test("a migration that does not get its lock in time steps back, says who is in the way, and tries again", async () => {
  const { connection } = await makeDatabase();
  const folder = await makeFolder({ "0001_stocks.sql": table });
  const { directory } = folder;
  await applyMigrations(connection, { directory });
  await folder.write({ "0002_note.sql": sql("alter table stocks add column note text") });
  const reader = await connect(connection, { applicationName: "a long report" });
  await reader.query("begin; select from stocks");
  const lines: string[] = [];
  const running = applyMigrations(connection, { directory, lockTimeout: 150, say: (line) => lines.push(line) });
  await until(() => lines.length > 0);
  // While the migration pauses, others get through: it stands in nobody's way.
  const other = await connect(connection);
  await other.query("insert into stocks values (1)");
  await other.end();
  await reader.query("commit");
  expect((await running).ran).toEqual(["0002_note"]);
  await reader.end();
  expect(steady(lines[0]!, folder)).toMatch(
    /^0002_note: no lock within 150 ms, held by session PID \("a long report", user postgres, idle in transaction, in a transaction since TIME\) on stocks; attempt 2 of 10 in 0\.\d s$/,
  );
});

test("a migration without a transaction is not hurried by the lock timeout", async () => {
  const { connection, client } = await makeDatabase();
  const folder = await makeFolder({ "0001_stocks.sql": table });
  const { directory } = folder;
  await applyMigrations(connection, { directory });
  await folder.write({ "0002_index.ts": alone("create index concurrently stocks_i on stocks (id)") });
  // An old snapshot, of another table even, makes CREATE INDEX CONCURRENTLY wait.
  const reader = await connect(connection);
  await reader.query("begin isolation level repeatable read; select from pg_class");
  const running = applyMigrations(connection, { directory, lockTimeout: 100 });
  // Asked in another session: within a transaction the activity of others stands still.
  const waiting =
    "select from pg_stat_progress_create_index where phase like 'waiting for%' and datname = current_database()";
  await until(async () => (await client.query(waiting)).rowCount);
  await new Promise((done) => setTimeout(done, 300));
  await reader.query("commit");
  expect((await running).ran).toEqual(["0002_index"]);
  await reader.end();
});
