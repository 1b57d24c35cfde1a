import { expect, test } from "@jest/globals";
import { deploy } from "../../../../toolkit/migrate/deploy.ts";
import { fingerprint } from "../../../../toolkit/migrate/fingerprint.ts";
import { invalidIndexes } from "../../../../toolkit/migrate/invalidIndexes.ts";
import { alone, failure, makeDatabase, makeFolder, sql, steady } from "../support.ts";
import { deployed, optionsFor, rememberedBackups } from "./support.ts";

const stocks = sql(
  "create table stocks (id int primary key, name text); insert into stocks values (1, 'a'), (2, 'a')",
  "drop table stocks",
);
const more = sql("create table more (id int primary key)", "drop table more");
const bad = sql("alter table stocks add check (price > 0)");

test("a new database is migrated without a backup, and every step is in the journal", async () => {
  const { connection, client } = await makeDatabase();
  const folder = await makeFolder({ "0001_stocks.sql": stocks, "0002_more.sql": more });
  const backups = rememberedBackups();
  const lines: string[] = [];
  const { ran, fingerprint: after } = await deploy(
    connection,
    optionsFor(folder, { backups, say: (line) => lines.push(line) }),
  );
  expect(ran).toEqual(["0001_stocks", "0002_more"]);
  expect(after).toBe(await fingerprint(client));
  expect(backups.made).toEqual([]);
  expect(lines.map((line) => line.replace(/in .*/, "in TIME"))).toEqual([
    "the database is new: there is nothing to back up or to lose",
    "applied 0001_stocks in TIME",
    "applied 0002_more in TIME",
  ]);
  const { rows } = await client.query(
    "select kind, migration, result, attempts, rows_affected::int as rows, lock_wait_ms::int as wait from deploy.step order by id",
  );
  expect(rows).toEqual([
    { kind: "statement", migration: "0001_stocks", result: "ok", attempts: 1, rows: 2, wait: 0 },
    { kind: "statement", migration: "0002_more", result: "ok", attempts: 1, rows: 0, wait: 0 },
    { kind: "validate", migration: null, result: "ok", attempts: null, rows: null, wait: 0 },
  ]);
  expect((await client.query("select kind, result from deploy.run")).rows).toEqual([{ kind: "up", result: "ok" }]);
});

test("a database with tables is looked at and backed up before; with nothing pending it is not", async () => {
  const { client, folder, backups, up } = await deployed({ "0001_stocks.sql": stocks });
  expect((await up()).ran).toEqual([]);
  expect(backups.made).toEqual([]);
  await folder.write({ "0002_more.sql": more });
  await up();
  expect(backups.made).toEqual(["before 0002_more", "pruned to 5 and 14 days"]);
  const { rows } = await client.query("select kind, result, message from deploy.step where run_id = 2 order by id");
  expect(rows).toEqual([
    { kind: "preflight", result: "ok", message: null },
    { kind: "backup", result: "ok", message: "backup-1" },
    { kind: "statement", result: "ok", message: null },
    { kind: "validate", result: "ok", message: null },
  ]);
});

test("a database that is not new to its users is backed up before its first migration too", async () => {
  const { connection, client } = await makeDatabase();
  const folder = await makeFolder({ "0001_more.sql": more });
  await client.query("create table theirs ()");
  const backups = rememberedBackups();
  await deploy(connection, optionsFor(folder, { backups }));
  expect(backups.made[0]).toBe("before 0001_more");
});

test("without a backup that succeeds nothing is migrated", async () => {
  const { client, folder, up, first } = await deployed({ "0001_stocks.sql": stocks });
  await folder.write({ "0002_more.sql": more });
  const backups = rememberedBackups(new Error("the disk is full"));
  expect(await failure(up({ backups }))).toBe(
    `nothing was migrated, for there is no backup to come back to
  why: the disk is full
  fix: Correct what keeps the backup from being made. To go on without one: npm run up -- -c database:backupBefore=false`,
  );
  expect(await fingerprint(client)).toBe(first.fingerprint);
  const { rows } = await client.query("select result, message from deploy.run order by id desc limit 1");
  expect(rows[0].result).toBe("failed");
});

test("doing without a backup is said", async () => {
  const { folder, backups, lines, up } = await deployed({ "0001_stocks.sql": stocks });
  await folder.write({ "0002_more.sql": more });
  await up({ backupBefore: false });
  expect(backups.made).toEqual([]);
  expect(lines[0]).toBe("without a backup, for database:backupBefore is false");
});

test("when a migration fails, those of its run are undone, and the schema is what it was", async () => {
  const { client, folder, up, first } = await deployed({ "0001_stocks.sql": stocks });
  await folder.write({
    "0002_more.sql": more,
    "0003_index.ts": alone("create index concurrently by_name on stocks (name)", "drop index concurrently by_name"),
    "0004_bad.sql": bad,
  });
  expect(steady(await failure(up()), folder)).toBe(
    `0004_bad failed: column "price" does not exist
  why: SQLSTATE 42703 at line 1 of its SQL:
        1  -- Up Migration
        2  alter table stocks add check (price > 0);
  fix: Correct migrations/0004_bad.sql, then run \`up\` again. It left nothing behind.
  undone: 0003_index, 0002_more. The database is as it was before this run.`,
  );
  expect(await fingerprint(client)).toBe(first.fingerprint);
  const state = await client.query(
    `select array(select name::text from pgmigrations) as applied, array(select name from deploy.migration) as journal,
            (select fingerprint from deploy.recorded_schema) as recorded,
            (select result from deploy.run order by id desc limit 1) as result`,
  );
  expect(state.rows).toEqual([
    { applied: ["0001_stocks"], journal: ["0001_stocks"], recorded: first.fingerprint, result: "rolled back" },
  ]);
  const undone = await client.query("select migration from deploy.step where kind = 'rollback' order by id");
  expect(undone.rows.map(({ migration }) => migration)).toEqual(["0003_index", "0002_more"]);
  await folder.write({ "0004_bad.sql": sql("select 1") });
  expect((await up()).ran).toEqual(["0002_more", "0003_index", "0004_bad"]);
});

test("an index that could not be built is cleared away", async () => {
  const { client, folder, up, first } = await deployed({ "0001_stocks.sql": stocks });
  await folder.write({
    "0002_unique.ts": alone("create unique index concurrently by_name on stocks (name)", "drop index by_name"),
  });
  expect(await failure(up())).toMatch(/^0002_unique failed: could not create unique index "by_name"/);
  expect(await invalidIndexes(client)).toEqual([]);
  expect(await fingerprint(client)).toBe(first.fingerprint);
  expect((await up({ autoRollback: false }).catch(() => "failed again")) as string).toBe("failed again");
});

test("without automatic rollback the migrations before the failing one stay", async () => {
  const { folder, up } = await deployed({ "0001_stocks.sql": stocks }, { autoRollback: false });
  await folder.write({ "0002_more.sql": more, "0003_bad.sql": bad });
  expect(await failure(up())).toContain("It left nothing behind; the migrations before it stay applied.");
  await folder.write({ "0003_bad.sql": sql("select 1") });
  expect((await up()).ran).toEqual(["0003_bad"]);
});

test("where a migration cannot be undone, all stays, and the way back is named", async () => {
  const { client, folder, up } = await deployed({ "0001_stocks.sql": stocks });
  await folder.write({
    "0002_more.sql": more,
    "0003_final.ts": "export function up(pgm) { pgm.sql('drop table more'); }\nexport const down = false;",
    "0004_bad.sql": bad,
  });
  expect((await failure(up())).split("\n").slice(-2)).toEqual([
    "  not undone: 0003_final cannot be undone (down = false), so all of this run stays applied: 0002_more, 0003_final",
    "  fix: To have the database as it was before this run, restore its backup: npm run runbook -- restore-backup --set backup=backup-1",
  ]);
  const applied = await client.query("select name from pgmigrations order by id");
  expect(applied.rows.map(({ name }) => name)).toEqual(["0001_stocks", "0002_more", "0003_final"]);
});

test("where a down fails, going back stops there, and the way back is named", async () => {
  const { client, folder, up } = await deployed({ "0001_stocks.sql": stocks });
  await folder.write({
    "0002_more.sql": sql("create table more ()", "drop table nowhere"),
    "0003_names.sql": sql("create view names as select name from stocks", "drop view names"),
    "0004_bad.sql": bad,
  });
  const message = steady(await failure(up()), folder);
  expect(message).toContain('  going back stopped: undoing 0002_more failed: table "nowhere" does not exist');
  expect(message.split("\n").slice(-2)).toEqual([
    "  undone: 0003_names; still applied: 0002_more",
    "  fix: To have the database as it was before this run, restore its backup: npm run runbook -- restore-backup --set backup=backup-1",
  ]);
  const applied = await client.query("select name from pgmigrations order by id");
  expect(applied.rows.map(({ name }) => name)).toEqual(["0001_stocks", "0002_more"]);
});

test("a down that does not take back all that its up did is found out", async () => {
  const { folder, up } = await deployed({ "0001_stocks.sql": stocks });
  await folder.write({
    "0002_more.sql": sql("create table more (); create table left_over ()", "drop table more"),
    "0003_bad.sql": bad,
  });
  expect(await failure(up())).toContain(
    "all was undone, but the schema is not what it was before: a down does not take back all that its up did",
  );
});
