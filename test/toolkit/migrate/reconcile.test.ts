import { expect, test } from "@jest/globals";
import type pg from "pg";
import { applyMigrations } from "../../../toolkit/migrate/apply.ts";
import { readFolder } from "../../../toolkit/migrate/files.ts";
import { indexState } from "../../../toolkit/migrate/invalidIndexes.ts";
import { revertMigrations } from "../../../toolkit/migrate/rollback.ts";
import { alone, failure, makeDatabase, makeFolder, sql } from "./support.ts";

const base = sql(
  "create type mood as enum ('low'); create table stocks (id int); create index old on stocks (id)",
  "drop table stocks; drop type mood",
);

/** A database at 0001, with 0002 announced in the journal as by a run that was killed. */
async function interrupted(second: Record<string, string>, transactional: boolean, checksum?: string) {
  const database = await makeDatabase();
  const folder = await makeFolder({ "0001_base.sql": base });
  const { directory } = folder;
  await applyMigrations(database.connection, { directory });
  await folder.write(second);
  const { files } = await readFolder(directory);
  await database.client.query(
    `insert into deploy.migration (name, checksum, transactional, started_by)
     values ('0002_next', $1, $2, 'somebody')`,
    [checksum ?? files.at(-1)!.checksum, transactional],
  );
  const lines: string[] = [];
  const next = () => applyMigrations(database.connection, { directory, say: (line) => lines.push(line) });
  return { ...database, directory, lines, next };
}

const appliedIn = async (client: pg.Client) =>
  (await client.query("select name from pgmigrations order by id")).rows.map(({ name }) => name);

test("an index that was built when the run was killed is recorded, not built again", async () => {
  const { client, lines, next } = await interrupted(
    { "0002_next.ts": alone("create index concurrently fresh on stocks (id)") },
    false,
  );
  await client.query("create index fresh on stocks (id)");
  const before = (await client.query("select 'fresh'::regclass::oid as oid")).rows;
  expect((await next()).ran).toEqual([]);
  expect(lines).toEqual([
    "0002_next had done its work when the last run was interrupted: recording it",
    "recording what ran outside of `up`, or before it was interrupted: 0002_next",
  ]);
  expect(await appliedIn(client)).toEqual(["0001_base", "0002_next"]);
  expect((await client.query("select 'fresh'::regclass::oid as oid")).rows).toEqual(before);
});

test("any other single statement that was done when the run was killed is recorded, not done again", async () => {
  const { client, next } = await interrupted({ "0002_next.ts": alone("alter type mood add value 'high'") }, false);
  await client.query("alter type mood add value 'high'");
  expect((await next()).ran).toEqual([]);
  expect(await appliedIn(client)).toEqual(["0001_base", "0002_next"]);
});

test("a statement that was not done when the run was killed is done", async () => {
  const { next } = await interrupted({ "0002_next.ts": alone("alter type mood add value 'high'") }, false);
  expect((await next()).ran).toEqual(["0002_next"]);
});

test("an index that was half dropped when the run was killed is dropped", async () => {
  const { client, next } = await interrupted({ "0002_next.ts": alone("drop index concurrently old") }, false);
  await client.query("update pg_index set indisvalid = false where indexrelid = 'old'::regclass");
  expect((await next()).ran).toEqual(["0002_next"]);
  expect(await indexState(client, { schema: "public", name: "old" })).toBe("absent");
});

test("a migration whose transaction was undone explains no change by hand", async () => {
  const { client, directory, connection } = await interrupted({ "0002_next.sql": sql("create table more ()") }, true);
  await client.query("create table by_hand ()");
  expect(await failure(applyMigrations(connection, { directory }))).toContain("+ table public.by_hand: table");
});

test("a migration that ran but was not yet recorded is recorded with the text that ran", async () => {
  const { client, lines, next } = await interrupted(
    { "0002_next.sql": sql("create table more ()") },
    true,
    "that of another text",
  );
  await client.query("create table more (); insert into pgmigrations (name, run_on) values ('0002_next', now())");
  // The text of then is not the text of now: an edit after it ran.
  expect(await failure(next())).toContain("a migration was edited after it was applied: ");
  await client.query("delete from deploy.migration where name = '0002_next'");
  expect((await next()).ran).toEqual([]);
  expect(lines).toEqual(["recording what ran outside of `up`, or before it was interrupted: 0002_next"]);
});

test("an undoing that had done its work when it was killed is recorded as undone", async () => {
  const { connection, client } = await makeDatabase();
  const { directory } = await makeFolder({
    "0001_base.sql": base,
    "0002_next.ts": alone("create index concurrently fresh on stocks (id)", "drop index concurrently fresh"),
  });
  const { fingerprint } = await applyMigrations(connection, { directory });
  await client.query("update deploy.migration set reverting_at = now() where name = '0002_next'");
  await client.query("drop index fresh");
  const next = await applyMigrations(connection, { directory });
  expect(next).toMatchObject({ ran: ["0002_next"], fingerprint });
  // And one that had done nothing is as if it had never begun.
  await client.query("update deploy.migration set reverting_at = now() where name = '0002_next'");
  expect((await applyMigrations(connection, { directory })).ran).toEqual([]);
  expect((await revertMigrations(connection, { directory })).reverted).toEqual(["0002_next"]);
});

test("of an index of a partition, which the schema does not list, the name alone tells", async () => {
  const { connection, client } = await makeDatabase();
  const { directory } = await makeFolder({
    "0001_base.sql": sql(
      "create table stocks (id int) partition by range (id); create table part partition of stocks default",
    ),
    "0002_next.ts": alone("create index concurrently fresh on part (id)", "drop index concurrently fresh"),
  });
  await applyMigrations(connection, { directory });
  await client.query("update deploy.migration set finished_at = null where name = '0002_next'");
  await client.query("delete from pgmigrations where name = '0002_next'");
  expect((await applyMigrations(connection, { directory })).ran).toEqual([]);
  await client.query("update deploy.migration set reverting_at = now() where name = '0002_next'");
  await client.query("drop index fresh");
  expect((await applyMigrations(connection, { directory })).ran).toEqual(["0002_next"]);
});
