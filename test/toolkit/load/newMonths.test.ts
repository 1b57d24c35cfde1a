import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { connect } from "../../../toolkit/connection.ts";
import { load } from "../../../toolkit/load/load.ts";
import { upsertPrices } from "../../../toolkit/queries/upsert.ts";
import type { TestDatabase } from "../../support/database.ts";
import { startLoad } from "./child.ts";
import { useFolder } from "./folder.ts";
import { createPriceDatabase, prices, waitFor, waitUntilBlocked } from "./tables.ts";

const files = useFolder();
const [symbols, months] = [20, ["2004-02", "2004-03", "2004-04"]];
// In months of 560 rows and more, cut by every batch: the loader takes such months for worth a table of their own.
const batchSize = 700;

let database: TestDatabase;
beforeAll(async () => {
  database = await createPriceDatabase("partitioned");
  await database.client.query("alter default privileges in schema public grant select on tables to public");
}, 60_000);
afterAll(() => database?.drop());

beforeEach(async () => {
  await database.client.query(`
    drop table if exists price_history_2004_02, price_history_2004_03, price_history_2004_04, deploy.load;
    truncate stocks restart identity cascade;
    delete from summary_change`);
});

/** Writes a market's three months, a day after the other, with a day that stands twice and one that is corrected later. */
function writeMarket(): string {
  const lines = Array.from({ length: 90 }, (_, day) => new Date(Date.UTC(2004, 1, 1 + day)).toISOString().slice(0, 10))
    .filter((date) => date < "2004-05")
    .flatMap((date, day) => Array.from({ length: symbols }, (_, n) => `S${n},${date},${100 + n}.5,${day},${n}`));
  lines.splice(300, 0, lines[299]!);
  lines.push("S3,2004-02-10,77.25,,3");
  return files.write("market.csv", "symbol,date,close,open,volume", ...lines);
}

const left = async () =>
  (await database.client.query("select relname from pg_class where relname ~ '^load_2004_..$' order by 1")).rows.map(
    ({ relname }) => relname,
  );

/** Everything that makes a partition what it is, by the month's place. */
async function partitions(): Promise<object[]> {
  const { rows } = await database.client.query(`
    select c.relname, pg_get_expr(relpartbound, c.oid) as bounds, array(select unnest(relacl)::text order by 1) as grants, obj_description(c.oid) as comment,
           array(select concat_ws(' ', conname, convalidated, coninhcount, pg_get_constraintdef(k.oid))
                 from pg_constraint k where conrelid = c.oid order by 1) as constraints,
           array(select pg_get_indexdef(indexrelid) from pg_index where indrelid = c.oid and indisvalid order by 1) as indexes,
           array(select tgname::text from pg_trigger where tgrelid = c.oid and not tgisinternal order by 1) as triggers
    from pg_inherits join pg_class c on c.oid = inhrelid
    where inhparent = 'price_history'::regclass and c.relname like 'price_history_2004%' order by 1`);
  return rows;
}

test("new months become partitions like any other, with every row, while readers keep their locks", async () => {
  const path = writeMarket();
  const reader = await connect(database.connection);
  await reader.query("begin; select from price_history, stocks");
  const result = await load(database.connection, path, { batchSize });
  await reader.end();
  const { rows: noted } = await database.client.query("select range_agg(days)::text as days from summary_change");
  const [attached, stored] = [await partitions(), await prices(database)];

  await database.client.query("drop table price_history_2004_02, price_history_2004_03, price_history_2004_04");
  // A publication is told of rows, not of partitions that come with theirs: nothing is filled apart.
  await database.client.query("delete from summary_change; create publication everything for table price_history");
  const rowByRow = await load(database.connection, path, { batchSize, force: true });
  await database.client.query("drop publication everything");
  expect(result).toEqual(rowByRow);
  expect(result).toMatchObject({ inserted: 90 * symbols, updated: 1, repeated: 1 });
  expect(attached).toEqual(await partitions());
  expect(attached).toHaveLength(3);
  expect(stored).toEqual(await prices(database));
  const { rows: also } = await database.client.query("select range_agg(days)::text as days from summary_change");
  expect(noted).toEqual(also);
  expect(await left()).toEqual([]);
});

// Each point costs two loads: a run of the tests tries some, from a random one on; KILL_EVERY=1 tries all.
const every = Number(process.env.KILL_EVERY ?? 12);

test("a load that is killed at any query loses and doubles nothing, and the next one ends it", async () => {
  const path = writeMarket();
  const calm = await load(database.connection, path, { batchSize });
  const [stored, made] = [await prices(database), await partitions()];
  const interrupted = new Set<string>();
  for (let killAt = 5 + Math.floor(Math.random() * every); ; killAt += every) {
    await database.client.query(`
      drop table price_history_2004_02, price_history_2004_03, price_history_2004_04;
      truncate stocks restart identity cascade;
      drop table if exists deploy.load`);
    const { signal, code, stderr } = await startLoad(database.connection, path, { batchSize, killAt }).finished;
    if (signal !== "SIGKILL") {
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
      break;
    }
    // The server ends the session when it next looks.
    await waitFor(async () => {
      const found = await database.client.query(
        "select from pg_stat_activity where application_name = 'load' and datname = current_database()",
      );
      return found.rowCount === 0;
    });
    const months = await left();
    for (const month of months) interrupted.add(month);
    const ended = await load(database.connection, path, { batchSize });
    // It counts what the killed one has stored, too.
    const { alreadyLoaded, resumedAfterLine } = ended;
    expect({ killAt, ...ended }).toEqual({ killAt, ...calm, alreadyLoaded, resumedAfterLine });
    expect({ killAt, prices: await prices(database) }).toEqual({ killAt, prices: stored });
    expect(await partitions()).toEqual(made);
    expect(await left()).toEqual([]);
  }
  expect([...interrupted]).not.toEqual([]);
}, 120_000);

test("what a killed load has filled is published by the next one; prices stored meanwhile stay, a deleted stock's go", async () => {
  const { client, connection } = database;
  const path = writeMarket();
  const blocker = await connect(connection);
  await blocker.query("begin; lock table only price_history in share update exclusive mode");
  const { child, finished } = startLoad(connection, path, { batchSize: 10_000 });
  await waitFor(async () => (await left()).length === months.length);
  await waitUntilBlocked(client);
  child.kill("SIGKILL");
  await finished;
  await blocker.end();
  expect(await prices(database)).toEqual([]);

  const { rows } = await client.query("select id from stocks where symbol = 'S5'");
  await upsertPrices(client, [{ stockId: rows[0].id, date: "2004-03-01", close: "1" }]);
  await client.query("delete from stocks where symbol = 'S7'");
  await load(connection, files.write("OTHER.csv", "date,close", "2004-03-01,5"), { wait: 10 });
  const stored = await prices(database);
  expect(stored).toHaveLength(90 * (symbols - 1) + 1);
  expect(stored.filter((price) => / 2004-03-01 /.test(price)).slice(0, 2)).toEqual([
    "OTHER 2004-03-01 - - - 5 - -",
    "S0 2004-03-01 29 - - 100.5 - 0",
  ]);
  // What it lacked it has got.
  expect(stored).toContain("S5 2004-03-01 29 - - 1 - 5");
  expect(files.told()).toContain(
    "2004-02: 29 prices are left out, for their stocks were deleted while they were loaded\n",
  );
  expect(await left()).toEqual([]);
});

test("a trigger that wants to see every row sees every row", async () => {
  const { client, connection } = database;
  await client.query(`
    create table seen (date date);
    create function see() returns trigger language plpgsql as 'begin insert into seen values (new.date); return null; end';
    create trigger see after insert on price_history for each row execute function see()`);
  const { inserted } = await load(connection, writeMarket(), { batchSize });
  const { rows } = await client.query("select count(*)::int as rows from seen");
  await client.query("drop function see() cascade; drop table seen");
  expect(rows).toEqual([{ rows: inserted }]);
});
