import { expect, test } from "@jest/globals";
import { applyMigrations } from "../../../toolkit/migrate/apply.ts";
import { failure, makeDatabase, makeFolder, sql, steady } from "./support.ts";

const two = {
  "0001_stocks.sql": sql("create table stocks (id int primary key, name text not null)", "drop table stocks"),
  "0002_sectors.sql": sql("create table sectors (id int primary key)", "drop table sectors"),
};

async function migrated() {
  const [database, folder] = [await makeDatabase(), await makeFolder(two)];
  const { directory } = folder;
  await applyMigrations(database.connection, { directory });
  const message = (acceptDrift?: string) => failure(applyMigrations(database.connection, { directory, acceptDrift }));
  return { ...database, folder, directory, message };
}

const tokenOf = (message: string) => /acceptDrift=([0-9a-f]{12})/.exec(message)![1]!;

test("a migration that was edited after it was applied is refused; its own value accepts it, once and for all", async () => {
  const { connection, folder, directory, message } = await migrated();
  await folder.write({ "0002_sectors.sql": sql("create table sectors (id bigint primary key)", "drop table sectors") });
  const refused = await message();
  expect(steady(refused, folder)).toBe(
    `a migration was edited after it was applied: migrations/0002_sectors.sql
  why: This database has what it said before; the next one would get something else.
  fix: Restore the text and write the change as a new migration, or take it as the truth: npm run up -- -c database:acceptDrift=HASH`,
  );
  const lines: string[] = [];
  const acceptDrift = tokenOf(refused);
  await applyMigrations(connection, { directory, acceptDrift, say: (line) => lines.push(line) });
  expect(lines).toEqual(["accepted as edited: 0002_sectors"]);
  await applyMigrations(connection, { directory });
});

test("a schema that was changed by hand is refused with the lines that differ", async () => {
  const { client, folder, message } = await migrated();
  await client.query("alter table stocks alter name drop not null, add column note text; drop table sectors");
  expect(steady(await message(), folder)).toBe(
    `the schema was changed by hand since the last run
  why: It differs from what was recorded (-) by (+):
    - column public.sectors.id: 1 integer not null
    - column public.stocks.name: 2 text not null
    + column public.stocks.name: 2 text
    + column public.stocks.note: 3 text
    - constraint public.sectors.sectors_pkey: PRIMARY KEY (id)
    - index public.sectors.sectors_pkey: CREATE UNIQUE INDEX sectors_pkey ON public.sectors USING btree (id)
    - table public.sectors: table
  fix: Undo the change, or take it as the truth: npm run up -- -c database:acceptDrift=HASH`,
  );
});

test("of many differing lines the first ten are shown, and long ones are cut", async () => {
  const { client, message } = await migrated();
  const columns = Array.from({ length: 12 }, (_, n) => `c${n} text default '${"x".repeat(200)}'`);
  await client.query(`create table wide (${columns.join(", ")})`);
  const shown = (await message()).split("\n").filter((line) => line.startsWith("    "));
  expect(shown).toHaveLength(11);
  expect(shown.at(-1)).toBe("    … and 3 more");
  expect(Math.max(...shown.map((line) => line.length))).toBe(4 + 160);
});

test("a value accepts exactly the drift that it names: none before it and none after it", async () => {
  const { connection, client, folder, directory, message } = await migrated();
  await client.query("alter table stocks add column note text");
  const first = tokenOf(await message());
  await client.query("alter table stocks add column more text");
  const refused = await message(first);
  expect(refused).toContain(`(the present value, ${first}, accepts another one)`);
  expect(tokenOf(refused)).not.toBe(first);
  expect(await message("true")).toContain("the schema was changed by hand");
  const lines: string[] = [];
  const acceptDrift = tokenOf(refused);
  await applyMigrations(connection, { directory, acceptDrift, say: (line) => lines.push(line) });
  expect(lines).toEqual(["accepted: the schema as it was changed by hand"]);
  // Left in the configuration, it accepts no later change.
  await client.query("alter table stocks drop column note");
  expect(await message(acceptDrift)).toContain("the schema was changed by hand");
  await client.query("alter table stocks add column note text");
  await folder.write({ "0002_sectors.sql": sql("create table sectors ()") });
  expect(await message(acceptDrift)).toContain("a migration was edited");
});

test("an edit and a change by hand are told together, and accepted together", async () => {
  const { connection, client, folder, directory, message } = await migrated();
  await folder.write({ "0001_stocks.sql": sql("select 1"), "0002_sectors.sql": sql("select 2") });
  await client.query("drop table sectors");
  const refused = await message();
  expect(refused).toContain("2 migrations were edited after they were applied: ");
  expect(refused).toContain("the schema was changed by hand");
  await applyMigrations(connection, { directory, acceptDrift: tokenOf(refused) });
  await applyMigrations(connection, { directory });
});

test("data, and partitions that are made ahead, are no drift", async () => {
  const { connection, client } = await makeDatabase();
  const { directory } = await makeFolder({
    "0001_prices.sql": sql("create table prices (d date primary key) partition by range (d)", "drop table prices"),
  });
  await applyMigrations(connection, { directory });
  await client.query("create table p1 partition of prices for values from ('2024-01-01') to ('2025-01-01')");
  await client.query("insert into prices values ('2024-05-05')");
  expect((await applyMigrations(connection, { directory })).ran).toEqual([]);
});

test("a pending migration that precedes an applied one is refused", async () => {
  const { folder, message } = await migrated();
  await folder.write({ "0001_stocks.sql": two["0001_stocks.sql"], "0003_c.sql": sql("select 1") });
  await folder.remove("0001_stocks.sql");
  await folder.write({ "0001_else.sql": sql("select 1") });
  expect(steady(await message(), folder)).toBe(
    `an applied migration is not in migrations: 0001_stocks
  why: Without the file it can be neither compared nor undone.
  fix: Restore the file from version control. To take a migration back, write a new one that undoes it.`,
  );
  await folder.remove("0001_else.sql");
  await folder.write({ "0000_else.sql": sql("select 1"), "0001_stocks.sql": two["0001_stocks.sql"] });
  expect(steady(await message(), folder)).toBe(
    `migrations/0000_else.sql is pending, but 0002_sectors, which comes after it, is applied
  why: A new database would run them in another order than this one.
  fix: Rename it to migrations/0004_else.sql.`,
  );
});

test("a database whose migrations are those of another folder is refused and left alone", async () => {
  const { client, connection } = await migrated();
  const other = await makeFolder({ "0001_users.sql": sql("create table users ()") });
  expect(steady(await failure(applyMigrations(connection, { directory: other.directory })), other)).toBe(
    `the database has 2 applied migrations, and none of them is in migrations
  why: Its table pgmigrations lists 0001_stocks, 0002_sectors: it belongs to another folder.
  fix: Point the stack at another database, or restore the folder.`,
  );
  expect((await client.query("select to_regclass('users') as users")).rows).toEqual([{ users: null }]);
});

test("a server of another major version may print the schema another way: that is recorded, not refused", async () => {
  const { connection, client, directory } = await migrated();
  await client.query("update deploy.recorded_schema set major = 15, fingerprint = 'x'");
  const lines: string[] = [];
  await applyMigrations(connection, { directory, say: (line) => lines.push(line) });
  expect(lines).toEqual([expect.stringMatching(/^PostgreSQL went from 15 to \d+: recording its schema anew$/)]);
});
