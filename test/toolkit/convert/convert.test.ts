import { expect, test } from "@jest/globals";
import { clean, convert, goBack, status } from "../../../toolkit/convert/convert.ts";
import { applyMigrations } from "../../../toolkit/migrate/apply.ts";
import { schemaLines } from "../../../toolkit/migrate/fingerprint.ts";
import { createDatabase } from "../../support/database.ts";
import { runKilledAt } from "../../support/killedAt.ts";
import { emptyDatabase, fill, plainDatabase, prices } from "./prices.ts";

const table = "price_history";

test("afterwards the schema is the migrations', `up` goes on to the head, and privileges are kept", async () => {
  const { connection, client } = await plainDatabase();
  const rows = await fill(client);
  await client.query("grant select (close), insert on price_history to pg_monitor");
  const said: string[] = [];
  const converted = await convert(connection, { table, say: (line) => said.push(line) });
  expect(converted).toMatchObject({ phase: "swapped", rowsCopied: 500, rowsVerified: 500 });
  expect(said).toEqual([
    "price_history.id, a surrogate key that nothing refers to, is left out (--keep-id keeps it)",
    "price_history: changes are logged; copying begins",
    "price_history: 500 rows copied; changes are made in both tables",
    "verified: 500 rows in 4 months are the same in both tables",
    `price_history is partitioned; the plain table is kept current until ${converted.keepUntil?.toISOString()}`,
  ]);
  const privileges = await client.query(
    `select has_column_privilege('pg_monitor', 'price_history', 'close', 'select') as close,
            has_column_privilege('pg_monitor', 'price_history', 'open', 'select') as open,
            has_table_privilege('pg_monitor', 'price_history', 'insert') as insert`,
  );
  expect(privileges.rows).toEqual([{ close: true, open: false, insert: true }]);

  await applyMigrations(connection, { directory: "migrations" });
  const head = await createDatabase({ template: "head" });
  expect(await schemaLines(client)).toEqual(await schemaLines(head.client));
  await head.drop();
  expect(await prices(client)).toEqual(rows);

  await expect(goBack(connection, { table })).rejects.toThrow(
    "price_history cannot be put back: views or rules use it: packed.price_history\n" +
      "  why: They would go on reading the old table.\n" +
      "  fix: Drop them, and create them again afterwards.\n" +
      "price_history cannot be put back: it has triggers: " +
      "note_deleted_prices, note_inserted_prices, note_truncated_prices, note_updated_prices\n" +
      "  why: They would fire for the old table, and copying would have to tell what they do.",
  );
  await clean(connection, { table });
  expect(await status(connection, { table })).toBeUndefined();
  const left = await client.query(
    "select relname from pg_class where relnamespace = 'deploy'::regnamespace and relname ~ 'price_history'",
  );
  expect(left.rows).toEqual([]);
  expect(await prices(client)).toEqual(rows);
});

test("a copy that was interrupted notices what was done meanwhile, also a truncate", async () => {
  const { connection, client } = await plainDatabase();
  await fill(client);
  await runKilledAt(connection, ["convert/convert", "convert"], { table, batchBlocks: 1 }, 40);
  expect(await status(connection, { table })).toMatchObject({ phase: "copying" });
  await expect(
    applyMigrations(connection, { directory: "migrations", to: "0018_price_history_by_month" }),
  ).rejects.toThrow("price_history is being converted to partitions while it is in use");
  await client.query("delete from price_history where stock_id = 5");
  await client.query("update price_history set date = date + 400 where stock_id = 6");
  await client.query("truncate price_history");
  await client.query(
    "insert into price_history (stock_id, date, close) values (7, '2019-02-28', 1), (7, '2030-01-01', 2)",
  );
  expect(await convert(connection, { table })).toMatchObject({ phase: "swapped", rowsVerified: 2 });
  expect(await prices(client)).toEqual(["7 2019-02-28 1", "7 2030-01-01 2"]);
});

test("a table that was rewritten meanwhile is copied again", async () => {
  const { connection, client } = await plainDatabase();
  await fill(client);
  await runKilledAt(connection, ["convert/convert", "convert"], { table, batchBlocks: 1 }, 40);
  await client.query("delete from price_history where stock_id = 5");
  await client.query("vacuum full price_history");
  const rows = await prices(client);
  await convert(connection, { table });
  expect(await prices(client)).toEqual(rows);
});

test("who holds the table is not waited for longer than the budget, and is named", async () => {
  const { connection, client } = await plainDatabase();
  const rows = await fill(client, 20);
  await client.query("begin; select count(*) from price_history");
  await expect(convert(connection, { table, lockTimeout: 20, patience: 300 })).rejects.toThrow(
    /^cannot exchange the tables: no lock within 20 ms in \d+ attempts\n {2}why: Longest at work: session \d+ \("test", user postgres, idle in transaction, since /,
  );
  await client.query("commit");
  expect(await prices(client)).toEqual(rows);
  await convert(connection, { table });
  expect(await prices(client)).toEqual(rows);
});

test("a comparison that finds a difference stops before the exchange", async () => {
  const { connection, client } = await plainDatabase();
  await fill(client);
  for (let n = 60; (await status(connection, { table }))?.phase !== "mirrored"; n += 3)
    await runKilledAt(connection, ["convert/convert", "convert"], { table }, n);
  await client.query(`update deploy.price_history set close = close + 1 where stock_id = 5 and date = '2024-02-01';
                      delete from deploy.price_history where stock_id = 6 and date = '2024-03-01'`);
  await expect(convert(connection, { table })).rejects.toThrow(
    "the copy of price_history differs from it in 2 months\n" +
      "  why: 2024-02: 145 rows, of other content; 2024-03: 155 rows, copied 154\n",
  );
  expect(await status(connection, { table })).toMatchObject({ phase: "mirrored" });
});

test("any table with a date and a key: checks, defaults, indexes, storage parameters and a sequence that stays", async () => {
  const { connection, client } = await emptyDatabase();
  await client.query(`
    create table "Log" (id serial, "At" timestamp not null default now(), level text collate "C" default 'info'
      constraint known check (level in ('info', 'bad')), data json, constraint "Log_key" unique (id, "At"))
      with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
    create index by_level on "Log" using btree (level, "At" desc) where level = 'bad';
    comment on table "Log" is 'what happened';
    insert into "Log" ("At", data) select '2024-01-31 23:59:59.999', '{"n": 1}' from generate_series(1, 50);
    alter table "Log" alter column id set not null`);
  const lines = (await schemaLines(client)).filter((line) => !/Log_key|^table/.test(line));
  const parameters = await client.query(`select reloptions from pg_class where oid = '"Log"'::regclass`);
  await convert(connection, { table: '"Log"', column: "At" });
  await clean(connection, { table: '"Log"' });
  // PostgreSQL prints ON ONLY for the index of a partitioned table.
  const after = (await schemaLines(client)).map((line) => line.replace(" ON ONLY ", " ON "));
  expect(after).toEqual(expect.arrayContaining(lines));
  const ofMonth = await client.query(`select reloptions from pg_class where oid = '"Log_2024_01"'::regclass`);
  expect(parameters.rows[0].reloptions).toHaveLength(2);
  expect(ofMonth.rows).toEqual(parameters.rows);
  await client.query(`insert into "Log" ("At") values ('2024-01-01')`);
  const { rows } = await client.query(`select max(id) as id, count(*)::int as rows from "Log"`);
  expect(rows).toEqual([{ id: 51, rows: 51 }]);
});

test("what cannot be converted is refused, with all reasons", async () => {
  const { connection, client } = await emptyDatabase();
  await client.query(`
    create table plain (id int primary key, date date not null);
    create table referred (date date primary key);
    create table refers (date date references referred);
    create view seen as select * from referred;
    create table parts (date date primary key) partition by range (date)`);
  await expect(convert(connection, { table: "plain" })).rejects.toThrow(
    "plain has no unique key with the column date\n" +
      "  why: Every unique key of a partitioned table holds the column that divides it; and without one, rows cannot be told apart.\n" +
      "  fix: Make one first, on columns that are not null: create unique index concurrently on plain (…, date).",
  );
  await expect(convert(connection, { table: "referred" })).rejects.toThrow(
    "referred cannot be converted: foreign keys of other tables refer to it: refers.refers_date_fkey\n" +
      "  why: They refer to this table, not to its name, and would go on referring to the old one.\n" +
      "  fix: Drop them first; partitioned tables can be referred to by their whole primary key.\n" +
      "referred cannot be converted: views or rules use it: seen\n",
  );
  await expect(convert(connection, { table: "parts" })).rejects.toThrow("parts is partitioned already");
  await expect(convert(connection, { table: "nothing" })).rejects.toThrow("there is no table nothing");
  const made = await client.query("select from pg_class where relnamespace = to_regnamespace('deploy')");
  expect(made.rowCount).toBe(0);
});
