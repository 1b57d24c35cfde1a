import { chown, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createBackup, restoreBackup } from "../../toolkit/backup/backups.ts";
import { type Connection, connect, parseConnectionString, withClient } from "../../toolkit/connection.ts";
import { applyMigrations } from "../../toolkit/migrate/apply.ts";
import { readPage } from "../../toolkit/runbook/parse.ts";
import { findBinaries } from "../../toolkit/server/binaries.ts";
import { type Cluster, settingsFile } from "../../toolkit/server/cluster.ts";
import { startServer, stopServer } from "../../toolkit/server/control.ts";
import { writePrivate } from "../../toolkit/server/files.ts";
import { renderSettings } from "../../toolkit/server/settings.ts";
import { serverUser } from "../../toolkit/server/systemUser.ts";
import { freePort, startTestServer, stopTestServer, temporaryBase } from "../support/server.ts";
import { run, temporaryFolder } from "../toolkit/runbook/support.ts";
import { printed } from "../toolkit/server/stack.ts";
import { until } from "./situation.ts";

// A server of its own: these pages make backups, and a backup has all databases of a server in it.
let server: { folder: string; url: string };
let connection: Connection;
let backups: string;
const context = () => ({ backup: { kind: "auto" as const, directory: backups } });

beforeAll(async () => {
  server = await startTestServer("not a secret");
  const main = parseConnectionString(server.url);
  await withClient(main, {}, (client) => client.query("create database investment"));
  connection = { ...main, database: "investment" };
  await applyMigrations(connection, { directory: "migrations" });
  backups = await temporaryFolder();
});
const clearings: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const clear of clearings) await clear();
  await stopTestServer(server.folder);
});

async function applied(): Promise<string[]> {
  const { rows } = await withClient(connection, {}, (client) =>
    client.query("select name from pgmigrations order by id"),
  );
  return rows.map(({ name }) => name);
}

test("rollback-one: the last migration is undone, after a backup", async () => {
  const before = await applied();
  const page = await readPage("rollback-one");
  const dry = await run(page, connection, { dryRun: true, context: context() });
  expect([dry.record.result, await applied()]).toEqual(["dry run", before]);
  expect(dry.said).toContain("would run now:\n      toolkit rollback --count 1 --yes");
  const { record } = await run(page, connection, { context: context() });
  expect([record.result, await applied()]).toEqual(["done", before.slice(0, -1)]);
});

test("rollback-to: everything after the named migration is undone; a name that is not applied stops it", async () => {
  const before = await applied();
  const page = await readPage("rollback-to");
  const wrong = await run(page, connection, { context: context(), set: ["migration=0099_nothing"] });
  expect([wrong.record.result, await applied()]).toEqual(["stopped", before]);
  expect(wrong.record.steps.at(-1)!.next).toContain("it is not applied, or it is the last one already");
  const set = ["migration=0019_technical_indicators_by_month"];
  const dry = await run(page, connection, { dryRun: true, context: context(), set });
  expect([dry.record.result, await applied()]).toEqual(["dry run", before]);
  const { record } = await run(page, connection, { context: context(), set });
  expect(record.result).toBe("done");
  expect((await applied()).at(-1)).toBe("0019_technical_indicators_by_month");
});

/** Where a data folder can be that the server's user reaches; it goes with the test file. */
async function makeCluster(): Promise<Cluster> {
  const user = await serverUser();
  const folder = await mkdtemp(join(await temporaryBase(user), "postgres-from-code-restored-"));
  if (user) await chown(folder, user.uid, user.gid);
  const cluster = { data: join(folder, "data"), log: join(folder, "log"), binaries: await findBinaries(user), user };
  clearings.push(async () => {
    await stopServer(cluster);
    await rm(folder, { recursive: true, force: true });
  });
  return cluster;
}

/** A streaming replica of the server, made from a backup of it. */
async function startReplica(): Promise<Connection> {
  const cluster = await makeCluster();
  const { host, port: primary, user, password } = connection;
  const say = () => {};
  const { id } = await createBackup(connection, context().backup, { reason: "a replica", say });
  await printed(() => restoreBackup(connection, context().backup, id, { folder: cluster.data, say }));
  const port = await freePort();
  const settings = {
    primary_conninfo: `host=${host} port=${primary} user=${user} password='${password}'`,
    max_connections: "200",
  };
  await writePrivate(join(cluster.data, settingsFile), renderSettings(port, settings), cluster.user);
  await writePrivate(join(cluster.data, "standby.signal"), "", cluster.user);
  await startServer(cluster);
  return { ...connection, port };
}

test("replica-lagging, on a replica: the query that holds the replay back is ended, and the replica catches up", async () => {
  await withClient(connection, {}, (client) => client.query("create table held as select 1 as n"));
  const replica = await startReplica();
  const held = await connect(replica);
  await until(async () => (await held.query("select to_regclass('held') as held")).rows[0].held);
  const isThere = () =>
    withClient(replica, {}, async (client) => (await client.query("select to_regclass('held') as held")).rows[0].held);
  await until(async () => (await held.query("select from pg_stat_wal_receiver where status = 'streaming'")).rowCount);
  await held.query("begin; select * from held");
  await withClient(connection, {}, (client) => client.query("drop table held"));
  await until(
    async () =>
      (await held.query("select pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn() as behind")).rows[0].behind,
  );
  const page = await readPage("replica-lagging");
  const set = ["query_seconds=0", "lag_mb=0"];
  const dry = await run(page, replica, { dryRun: true, context: context(), set });
  expect([dry.record.result, await isThere()]).toEqual(["dry run", "held"]);
  const { record, said } = await run(page, replica, { context: context(), set });
  expect([record.result, await isThere()]).toEqual(["done", null]);
  expect(said).toContain(
    "not recorded in the database, only in the file: cannot execute INSERT in a read-only transaction",
  );
  await expect(held.query("select 1")).rejects.toThrow();
});

test("restore-backup: rows that were deleted are in the server that is restored beside", async () => {
  backups = await temporaryFolder();
  const cluster = await makeCluster();
  const page = await readPage("restore-backup");
  const set = [`into=to=${cluster.data}`];
  const empty = await run(page, connection, { context: context(), set });
  expect([empty.record.result, empty.record.steps.length]).toEqual(["stopped", 1]);

  await withClient(connection, {}, (client) => client.query("insert into sectors (name) values ('Lost')"));
  await createBackup(connection, context().backup, { reason: "a test", say: () => {} });
  await withClient(connection, {}, (client) => client.query("delete from sectors where name = 'Lost'"));

  const dry = await run(page, connection, { dryRun: true, context: context(), set });
  expect(dry.record.result).toBe("dry run");
  const { record } = await run(page, connection, { context: context(), set });
  expect(record.result).toBe("done");

  // It comes with the port of the server that it was copied from, which is stopped first.
  await stopServer({ ...cluster, data: join(server.folder, "data") });
  await startServer(cluster);
  const { rows } = await withClient(connection, {}, (client) =>
    client.query("select name from sectors where name = 'Lost'"),
  );
  expect(rows).toEqual([{ name: "Lost" }]);
});
