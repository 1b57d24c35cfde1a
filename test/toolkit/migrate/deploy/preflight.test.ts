import { expect, test } from "@jest/globals";
import { connect } from "../../../../toolkit/connection.ts";
import { fingerprint } from "../../../../toolkit/migrate/fingerprint.ts";
import { lookBefore } from "../../../../toolkit/migrate/preflight.ts";
import { failure, sql, steady } from "../support.ts";
import { deployed } from "./support.ts";

const stocks = sql("create table stocks (id int primary key)", "drop table stocks");
const more = sql("create table more ()", "drop table more");

async function pending() {
  const deployment = await deployed({ "0001_stocks.sql": stocks });
  await deployment.folder.write({ "0002_more.sql": more });
  return deployment;
}

test("everything that stops is listed at once, and nothing is touched", async () => {
  const { connection, client, folder, backups, up, first } = await pending();
  const reader = await connect(connection, { applicationName: "a long report" });
  await reader.query("begin; select from stocks");
  const thresholds = { "old transactions": { stop: 0 }, connections: { stop: 0.1 } };
  const message = steady(await failure(up({ preflight: { thresholds } })), folder).replace(/\d+ of \d+/, "N of N");
  expect(message.replace(/\(\d+ %\)/, "(P %)").replace(/terminate_backend\(\d+\)/, "terminate_backend(PID)")).toBe(
    `nothing was touched, for now is no time to migrate:
session PID ("a long report", user postgres, idle in transaction) has a transaction open for 0 min
  why: Until it ends it holds its locks, and CREATE INDEX CONCURRENTLY waits for it, whatever tables it uses. (https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY)
  fix: Let it end, or end it: select pg_terminate_backend(PID);
N of N connections are in use (P %)
  why: A migration takes a few, and sessions that wait for its locks pile up: the rest would be gone in a moment. (https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-MAX-CONNECTIONS)
  fix: Close idle sessions: npm run runbook -- pool-exhausted`,
  );
  expect(backups.made).toEqual([]);
  expect(await fingerprint(client)).toBe(first.fingerprint);
  const { rows } = await client.query("select kind, result from deploy.step where run_id = 2");
  expect(rows).toEqual([{ kind: "preflight", result: "failed" }]);
  await reader.end();
  expect((await up()).ran).toEqual(["0002_more"]);
});

test("what is only to be told is told, and the migration goes on", async () => {
  const { connection, lines, up, client } = await pending();
  const reader = await connect(connection, { applicationName: "a report" });
  await reader.query("begin; select from stocks");
  await client.query("insert into stocks values (1); create table twice (id int); insert into twice values (1), (1)");
  await up({ preflight: { thresholds: { "old transactions": { warn: 0 } } } }).catch(() => {});
  await reader.end();
  // The table made by hand is a drift, and stops before.
  expect(lines).toEqual([]);
  await client.query("drop table twice");
  const again = await connect(connection, { applicationName: "a report" });
  await again.query("begin; select from stocks");
  await up({ preflight: { thresholds: { "old transactions": { warn: 0 } } } });
  await again.end();
  expect(lines[0]).toMatch(
    /^warning: session \d+ \("a report", user postgres, idle in transaction\) has a transaction/,
  );
});

test("each thing that the server tells of is found where it is real", async () => {
  const { connection, client } = await pending();
  await client.query("create table twice (id int); insert into twice values (1), (1)");
  await client.query("create unique index concurrently once on twice (id)").catch(() => {});
  const thresholds = {
    "transaction id wraparound": { warn: 1 },
    connections: { warn: 0.1 },
  };
  const found = await lookBefore(client, connection, [], () => {}, { thresholds });
  expect(found.map(({ name, stops }) => [name, stops])).toEqual([
    ["invalid indexes", false],
    ["transaction id wraparound", false],
    ["connections", false],
  ]);
  expect(found[0]).toMatchObject({ what: "the index public.once is invalid" });
  expect(found[1]!.what).toMatch(/^the oldest transaction id of database .* is \d million transactions old$/);
});

test("the free disk is compared with what the statements write", async () => {
  const { connection, client } = await pending();
  const look = (spare: number, statements: string[] = []) =>
    lookBefore(client, connection, statements, () => {}, { disk: { spare } });
  expect(await look(0)).toEqual([]);
  const [full] = await look(1);
  expect(full).toMatchObject({ name: "free disk", stops: false, why: expect.stringContaining("about 0 MB") });
  await client.query("insert into stocks select generate_series(1, 50000)");
  const [rewritten] = await look(1, ["alter table stocks alter id type bigint"]);
  expect(rewritten!.why).toMatch(/^The migrations write about [34] MB/);
});

test("where the data folder is not to be seen, that is said", async () => {
  const { connection, client } = await pending();
  const lines: string[] = [];
  const away = { ...connection, host: "db.example.com" };
  expect(await lookBefore(client, away, [], (line) => lines.push(line))).toEqual([]);
  expect(lines).toEqual(["free disk space is not known: the server's data folder is not to be seen from here"]);
});

test("a database that is read-only is refused before anything is tried", async () => {
  const { connection, client, up } = await pending();
  await client.query(`alter database ${connection.database} set default_transaction_read_only to on`);
  expect(await failure(up())).toMatch(/^this database is read-only: it cannot be migrated\n/);
  await client.query(`alter database ${connection.database} reset default_transaction_read_only`);
});
