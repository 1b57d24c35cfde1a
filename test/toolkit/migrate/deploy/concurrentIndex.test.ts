import { expect, test } from "@jest/globals";
import { connect } from "../../../../toolkit/connection.ts";
import { applyMigrations } from "../../../../toolkit/migrate/apply.ts";
import { fingerprint } from "../../../../toolkit/migrate/fingerprint.ts";
import { indexState } from "../../../../toolkit/migrate/invalidIndexes.ts";
import { partIndexName } from "../../../../toolkit/migrate/partitionedIndex.ts";
import { revertMigrations } from "../../../../toolkit/migrate/rollback.ts";
import { alone, failure, makeDatabase, makeFolder, sql, steady, until } from "../support.ts";
import { deployed } from "./support.ts";

const stocks = sql("create table stocks (id int primary key); create table other ()", "drop table stocks, other");

const build = alone("create index concurrently stocks_i on stocks (id)", "drop index concurrently stocks_i");

test("an index that waits too long for an old transaction is given up, and nothing is left of it", async () => {
  const { connection, client, folder, up, first } = await deployed({ "0001_stocks.sql": stocks });
  await folder.write({ "0002_index.ts": build });
  const reader = await connect(connection, { applicationName: "a long report" });
  // Of another table: any old snapshot is waited for.
  await reader.query("begin isolation level repeatable read; select from other");
  const message = await failure(up({ concurrentIndexTimeout: 0.4 / 60, lockTimeout: 200 }));
  expect(steady(message, folder)).toBe(
    `0002_index waited 0.4 s for older transactions and was stopped
  why: It waited for session PID ("a long report", user postgres, idle in transaction, in a transaction since TIME). Nothing of it was left behind.
  fix: End that session (select pg_terminate_backend(PID)), or run \`up\` at a calmer time, or raise database:concurrentIndexTimeout (minutes).
  The database is as it was before this run.`,
  );
  expect(await indexState(client, { schema: "public", name: "stocks_i" })).toBe("absent");
  expect(await fingerprint(client)).toBe(first.fingerprint);
  const { rows } = await client.query(
    "select lock_wait_ms::int as wait from deploy.step where migration = '0002_index'",
  );
  expect(rows[0].wait).toBeGreaterThan(390);
  await reader.end();
  expect((await up()).ran).toEqual(["0002_index"]);
});

const prices = sql(
  `create table prices (day int not null, price int) partition by range (day);
   create table prices_1 partition of prices for values from (1) to (2);
   create table prices_2 partition of prices for values from (2) to (5) partition by range (day);
   create table prices_2a partition of prices_2 for values from (2) to (3);
   create table prices_2b partition of prices_2 for values from (3) to (5);
   insert into prices select 1 + n % 4, n from generate_series(1, 100) n`,
  "drop table prices",
);
const onPartitions = alone(
  "create unique index concurrently prices_once on prices (day, price)",
  "drop index concurrently prices_once",
);
const index = { schema: "public", name: "prices_once" };

test("a concurrent index on a partitioned table is built part by part, and dropped", async () => {
  const { connection, client } = await makeDatabase();
  const folder = await makeFolder({ "0001_prices.sql": prices });
  const { directory } = folder;
  const before = await applyMigrations(connection, { directory });
  await folder.write({ "0002_once.ts": onPartitions });
  expect((await applyMigrations(connection, { directory })).ran).toEqual(["0002_once"]);
  expect(await indexState(client, index)).toBe("valid");
  await expect(client.query("insert into prices values (1, 4), (1, 4)")).rejects.toThrow("duplicate key");
  const { rows } = await client.query(
    "select relname as name from pg_class where relname like '%prices_once' and relkind = 'i' order by 1",
  );
  expect(rows.map(({ name }) => name)).toEqual([
    "prices_1_prices_once",
    "prices_2a_prices_2_prices_once",
    "prices_2b_prices_2_prices_once",
  ]);
  const reverted = await revertMigrations(connection, { directory });
  expect(reverted.fingerprint).toBe(before.fingerprint);
  expect(await indexState(client, index)).toBe("absent");
});

test("such a build that was killed in the middle goes on, and keeps what was built", async () => {
  const { connection, client } = await makeDatabase();
  const folder = await makeFolder({ "0001_prices.sql": prices });
  const { directory } = folder;
  await applyMigrations(connection, { directory });
  await folder.write({ "0002_once.ts": onPartitions });
  const reader = await connect(connection);
  // The first partition is built and attached; a lock keeps the build from the next one.
  await reader.query("begin; lock table prices_2a");
  const running = failure(applyMigrations(connection, { directory }));
  await until(
    async () =>
      (await client.query("select from pg_locks where not granted and relation = 'prices_2a'::regclass")).rowCount,
  );
  await client.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'postgres-from-code migrations' and datname = current_database()",
  );
  expect(await running).toContain("the connection to the server was lost during 0002_once");
  await reader.end();
  const built = await client.query("select 'prices_1_prices_once'::regclass::oid as oid");
  expect(await indexState(client, index)).toBe("incomplete");
  expect((await applyMigrations(connection, { directory })).ran).toEqual(["0002_once"]);
  expect(await indexState(client, index)).toBe("valid");
  expect((await client.query("select 'prices_1_prices_once'::regclass::oid as oid")).rows).toEqual(built.rows);
});

test("such a build that fails is cleared away from all partitions", async () => {
  const { client, folder, up, first } = await deployed({ "0001_prices.sql": prices });
  await client.query("insert into prices values (4, 3)");
  await folder.write({ "0002_once.ts": onPartitions });
  expect(await failure(up())).toMatch(
    /^0002_once failed: could not create unique index "prices_2b_prices_2_prices_once"/,
  );
  expect(await fingerprint(client)).toBe(first.fingerprint);
  const left = await client.query("select relname from pg_class where relname like '%prices_once'");
  expect(left.rows).toEqual([]);
});

test("a long name of a part is cut, and stays different from others", () => {
  const long = "p".repeat(60);
  const [one, other] = [partIndexName(long, "by_one"), partIndexName(long, "by_two")];
  expect(Buffer.byteLength(one)).toBe(63);
  expect(one).not.toBe(other);
  expect(Buffer.byteLength(partIndexName("é".repeat(40), "x"))).toBeLessThanOrEqual(63);
});
