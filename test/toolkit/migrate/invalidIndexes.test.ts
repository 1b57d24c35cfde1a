import { expect, test } from "@jest/globals";
import { applyMigrations } from "../../../toolkit/migrate/apply.ts";
import { indexState } from "../../../toolkit/migrate/invalidIndexes.ts";
import { alone, failure, makeDatabase, makeFolder, sql, steady } from "./support.ts";

const index = { schema: "public", name: "stocks_by_name" };

/** A database whose index of names cannot be built yet, for two names are the same. */
async function withDuplicates() {
  const database = await makeDatabase();
  const folder = await makeFolder({
    "0001_stocks.sql": sql("create table stocks (name text); insert into stocks values ('a'), ('a')"),
    "0002_unique.ts": alone("create unique index concurrently if not exists stocks_by_name on stocks (name)"),
  });
  const refused = await failure(applyMigrations(database.connection, { directory: folder.directory }));
  return { ...database, folder, directory: folder.directory, refused };
}

test("a failed build is told with what it left behind", async () => {
  const { client, folder, refused } = await withDuplicates();
  expect(await indexState(client, index)).toBe("invalid");
  expect(steady(refused, folder)).toBe(
    `0002_unique failed: could not create unique index "stocks_by_name"
  why: SQLSTATE 23505 at line 1 of its SQL:
        1  create unique index concurrently if not exists stocks_by_name on stocks (name);
    detail: Key (name)=(a) is duplicated.
  fix: Correct migrations/0002_unique.ts, then run \`up\` again. It left the invalid index "public"."stocks_by_name", which the next \`up\` drops and builds again; the migrations before it stay applied.`,
  );
});

test("an invalid index is dropped and built again, although the migration says if not exists", async () => {
  const { connection, client, directory } = await withDuplicates();
  await client.query("delete from stocks where ctid = '(0,1)'");
  const lines: string[] = [];
  const { ran } = await applyMigrations(connection, { directory, say: (line) => lines.push(line) });
  expect(ran).toEqual(["0002_unique"]);
  expect(await indexState(client, index)).toBe("valid");
  expect(lines[0]).toBe('dropping the index "public"."stocks_by_name", which an interrupted build left invalid');
});

test("a failed build explains no change by hand beside it", async () => {
  const { connection, client, directory } = await withDuplicates();
  await client.query("alter table stocks add column note text");
  const message = await failure(applyMigrations(connection, { directory }));
  expect(message).toContain("the schema was changed by hand since the last run");
  expect(message).toContain("+ column public.stocks.note: 2 text");
  expect(message).not.toContain("stocks_by_name");
});

test("an invalid index that no migration builds is left alone, with a warning", async () => {
  const { connection, client, directory, folder } = await withDuplicates();
  await folder.write({ "0002_unique.ts": alone("create index concurrently stocks_plain on stocks (name)") });
  await client.query("alter index stocks_by_name rename to stray");
  await client.query("delete from deploy.migration where name = '0002_unique'");
  const acceptDrift = /acceptDrift=(\w+)/.exec(await failure(applyMigrations(connection, { directory })))![1]!;
  const lines: string[] = [];
  await applyMigrations(connection, { directory, acceptDrift, say: (line) => lines.push(line) });
  expect(lines.at(-1)).toBe(
    'warning: the index "public"."stray" is invalid: reindex index concurrently "public"."stray"',
  );
  expect(await indexState(client, { schema: "public", name: "stray" })).toBe("invalid");
});

test("in a database that is taken over, an invalid index that a pending migration builds is built again", async () => {
  const { connection, client, directory } = await withDuplicates();
  await client.query("delete from stocks where ctid = '(0,1)'; drop schema deploy cascade");
  const { ran } = await applyMigrations(connection, { directory });
  expect(ran).toEqual(["0002_unique"]);
  expect(await indexState(client, index)).toBe("valid");
});
