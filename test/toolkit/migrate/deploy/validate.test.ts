import { expect, test } from "@jest/globals";
import type { CriticalQuery } from "../../../../toolkit/migrate/criticalQueries.ts";
import { fingerprint } from "../../../../toolkit/migrate/fingerprint.ts";
import { undo } from "../../../../toolkit/migrate/undo.ts";
import { alone, failure, sql, steady } from "../support.ts";
import { deployed } from "./support.ts";

const stocks = sql(
  "create table stocks (id int primary key, name text); insert into stocks select n, 'a' from generate_series(1, 5) n",
  "drop table stocks",
);

/** What validation says of a second migration; the database must be as before it. */
async function refused(second: Record<string, string>, first = stocks, queries: CriticalQuery[] = []) {
  const deployment = await deployed({ "0001_first.sql": first });
  await deployment.client.query("analyze");
  await deployment.folder.write(second);
  const message = await failure(deployment.up({ slowdownFactor: 3, validation: { queries, limits: { floor: 20 } } }));
  expect(await fingerprint(deployment.client)).toBe(deployment.first.fingerprint);
  return { ...deployment, message: steady(message, deployment.folder) };
}

test("rows that are gone from a table that was touched are found, and what a down cannot bring back is said", async () => {
  const { message } = await refused({ "0002_copy.sql": sql("delete from stocks where id > 3") });
  expect(message).toBe(
    `the result of the migrations is not valid:
"public"."stocks" has 3 rows, and had 5 before
  why: Rows of a table that the migrations touch are gone. The application's own deletes meanwhile count too.
  fix: Correct the migration; or, where it is meant to delete them, let it say so: -- accepts fewer-rows: REASON
  all was undone, but rows are gone: "public"."stocks" has 3 rows, and had 5 before
  fix: To have the database as it was before this run, restore its backup: npm run runbook -- restore-backup --set backup=backup-1`,
  );
});

test("a migration that is meant to delete rows says why, and that is told", async () => {
  const { folder, lines, up } = await deployed({ "0001_first.sql": stocks });
  await folder.write({
    "0002_old.sql": sql("-- accepts fewer-rows: delisted in 1999\ndelete from stocks where id > 3"),
  });
  expect((await up()).ran).toEqual(["0002_old"]);
  expect(lines).toContain('accepted, for "delisted in 1999": "public"."stocks" has 3 rows, and had 5 before');
});

test("a table that is replaced by one with fewer rows is found, and put back", async () => {
  const { message, client } = await refused({
    "0002_replace.sql": sql(
      "alter table stocks rename to old; create table stocks as select * from old where id < 5",
      "drop table stocks; alter table old rename to stocks",
    ),
  });
  expect(message).toContain('"public"."stocks" has 4 rows, and had 5 before');
  expect(message).toContain("undone: 0002_replace. The database is as it was before this run.");
  expect((await client.query("select count(*)::int from stocks")).rows).toEqual([{ count: 5 }]);
});

test("a constraint that is left without validation is found", async () => {
  const { message } = await refused({
    "0002_check.sql": sql(
      "alter table stocks add constraint positive check (id > 0) not valid",
      "alter table stocks drop constraint positive",
    ),
  });
  expect(message).toBe(
    `the result of the migrations is not valid:
constraints that are not validated: public.stocks.positive
  why: Rows from before may break them, and the planner does not rely on them.
  fix: Validate it, in a migration of its own (alter table public.stocks validate constraint positive), or say why not yet: -- accepts constraint-not-validated: REASON
  undone: 0002_check. The database is as it was before this run.`,
  );
});

test("what was so before is a warning", async () => {
  const { client, folder, lines, up } = await deployed({
    "0001_first.sql": sql("create table stocks (id int); insert into stocks values (0)"),
  });
  await client.query("alter table stocks add constraint positive check (id > 0) not valid");
  await folder.write({ "0002_more.sql": sql("create table more ()") });
  const acceptDrift = /acceptDrift=(\w+)/.exec(await failure(up()))![1]!;
  await up({ acceptDrift });
  expect(lines).toContain(
    "warning: constraints that are not validated: public.stocks.positive. Validate it, in a migration of its own " +
      "(alter table public.stocks validate constraint positive), or say why not yet: -- accepts constraint-not-validated: REASON",
  );
});

test("an index that is left invalid is found", async () => {
  const { message } = await refused({
    "0002_index.sql": sql(
      "create table parts (id int) partition by range (id); create table part partition of parts default; create index parts_id on only parts (id)",
      "drop table parts",
    ),
  });
  expect(message).toContain("invalid indexes: public.parts_id");
});

test("months without a partition are found", async () => {
  const { message } = await refused(
    { "0002_prices.sql": sql("create table prices (date date) partition by range (date)", "drop table prices") },
    sql(
      `create function missing_months(parent regclass, from_date date, to_date date) returns setof date
       language sql as $$ select date '2030-01-01' $$`,
    ),
  );
  expect(message).toContain("months without a partition: public.prices 2030-01");
  expect(message).toContain("select create_partitions_ahead('public.prices', 12);");
});

const many = sql(
  "create table prices (id int, note text); insert into prices select n, repeat('x', 100) from generate_series(1, 20000) n; create index prices_id on prices (id)",
);
const byId: CriticalQuery = { name: "one price", tables: ["prices"], sql: "select note from prices where id = 7" };

test("a critical query that loses its index is found", async () => {
  const { message } = await refused(
    { "0002_drop.sql": sql("drop index prices_id", "create index prices_id on prices (id)") },
    many,
    [byId],
  );
  expect(message).toContain('the critical query "one price" uses no index any more');
  expect(message).toContain("Before it used prices_id; now it reads 3 MB from end to end.");
});

test("a critical query that becomes slow, or fails, is found", async () => {
  const view = (body: string) => `create or replace view latest as ${body}`;
  const fast = view("select 1 as n");
  const latest: CriticalQuery = { name: "latest", tables: ["latest"], sql: "select n from latest" };
  const slow = await refused({ "0002_slow.sql": sql(view("select 1 as n from pg_sleep(0.2)"), fast) }, sql(fast), [
    latest,
  ]);
  expect(slow.message).toMatch(/the critical query "latest" takes \d{3}\.\d ms, and took \d+\.\d ms before/);
  const gone = await refused({ "0002_gone.sql": sql("drop view latest", fast) }, sql(fast), [latest]);
  expect(gone.message).toContain('the critical query "latest" fails');
});

test("the same migrations that give another schema than the last time are found", async () => {
  const { connection, client, folder, up } = await deployed({ "0001_first.sql": stocks });
  await client.query("create schema elsewhere; create table elsewhere.flag ()");
  const acceptDrift = /acceptDrift=(\w+)/.exec(await failure(up()))![1]!;
  await up({ acceptDrift });
  const byData = "do $$ begin if exists (select from stocks where id = 9) then create table odd (); end if; end $$";
  await folder.write({ "0002_odd.sql": sql(byData, "drop table if exists odd") });
  await up();
  await undo(connection, { directory: folder.directory, show: () => {}, carryOut: true });
  await client.query("insert into stocks values (9, 'a')");
  const message = await failure(up());
  expect(message).toContain("the same migrations on the same schema gave another result than before");
  expect(message).toContain("+ table public.odd: table");
  expect(message).toContain("undone: 0002_odd. The database is as it was before this run.");
});

test("an index that a migration builds is no loss", async () => {
  const { folder, up } = await deployed({ "0001_first.sql": many });
  await folder.write({
    "0002_index.ts": alone("create index concurrently by_note on prices (note)", "drop index concurrently by_note"),
  });
  expect((await up({ validation: { queries: [byId] } })).ran).toEqual(["0002_index"]);
});
