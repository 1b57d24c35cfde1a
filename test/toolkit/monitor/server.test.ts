import { chown, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type pg from "pg";
import { copyRunningServer } from "../../../toolkit/backup/physical.ts";
import { connect } from "../../../toolkit/connection.ts";
import type { QueryPlan } from "../../../toolkit/monitor/queryPlans.ts";
import { stopServer } from "../../../toolkit/server/control.ts";
import { type OwnServer, startOwnServer } from "./ownServer.ts";
import { about, ask, until } from "./support.ts";

// What makes a whole server ill.
const ill = {
  ...{ fsync: "off", autovacuum: "off", random_page_cost: "4", shared_buffers: "1MB", max_wal_size: "1GB" },
  ...{ archive_mode: "on", archive_command: "false", max_prepared_transactions: "5", wal_level: "replica" },
  ...{ shared_preload_libraries: "pg_stat_statements,auto_explain", max_connections: "20" },
};

let primary: OwnServer;
let replica: OwnServer;
let client: pg.Client;
let onReplica: pg.Client;

beforeAll(async () => {
  primary = await startOwnServer(ill);
  client = await connect(primary.connection, { applicationName: "test" });
  const { port, user, password } = primary.connection;
  const settings = {
    ...ill,
    ...{ archive_mode: "off", hot_standby: "on", wal_receiver_status_interval: "1" },
    primary_conninfo: `host=127.0.0.1 port=${port} user=${user} password=${password} application_name=follower`,
  };
  replica = await startOwnServer(settings, {
    async fill({ data, user }) {
      await copyRunningServer(client, { data: primary.cluster.data, target: data, label: "replica", say: () => {} });
      await writeFile(join(data, "standby.signal"), "");
      if (user)
        for (const path of ["", ...(await readdir(data, { recursive: true }))])
          await chown(join(data, path), user.uid, user.gid);
    },
  });
  onReplica = await connect(replica.connection, { applicationName: "test" });
});
afterAll(async () => {
  await Promise.all([onReplica?.end(), client?.end()]);
  await Promise.all([replica?.remove(), primary?.remove()]);
});

test("settings that endanger data are critical, and defaults that slow are told", async () => {
  const { findings } = await ask(client, "settings");
  const found = new Map(findings.map(({ object, severity, what }) => [object, [severity, what]]));
  expect(found.get("fsync")).toEqual(["critical", "fsync is off."]);
  expect(found.get("autovacuum")).toEqual(["critical", "autovacuum is off."]);
  expect(found.get("shared_buffers")).toEqual(["warning", "shared_buffers is 1MB."]);
  expect(found.get("random_page_cost")).toEqual(["notice", "random_page_cost is 4."]);
  expect(found.get("full_page_writes")).toBeUndefined();
  await client.query("alter system set max_connections = 30");
  await client.query("select pg_reload_conf()");
  const pending = await until(async () => about("max_connections", await ask(client, "settings"))[0]);
  expect(pending.what).toBe("max_connections was changed, and is still 20.");
});

test("a slow statement is found by pg_stat_statements without its values, and whether auto_explain is on is told", async () => {
  expect((await ask(client, "slow-queries")).unavailable).toBe(
    "Statements are counted, but not shown here: create extension pg_stat_statements;",
  );
  await client.query("create extension pg_stat_statements");
  for (let n = 0; n < 3; n++) await client.query("select pg_sleep(0.02), 'a secret'");
  const limits = { "slow-queries.meanMilliseconds": 15, "slow-queries.calls": 3 };
  const slow = async () =>
    (await ask(client, "slow-queries", limits)).findings.find(({ what }) => what.includes("pg_sleep"));
  const found = await slow();
  expect(found!.what).toMatch(
    /^A statement takes 2\d\.\d ms on average in 3 calls, .* of all time: select pg_sleep\(\$1\), \$2$/,
  );
  expect(found!.fix).toMatch(/\(it is off\)\.$/);
  await client.query("set auto_explain.log_min_duration = '1s'");
  expect((await slow())!.fix).toMatch(/^auto_explain is on/);
});

test("the plan of a slow statement is read out of the log, with what to do, and without a value of anybody's", async () => {
  expect(await ask(client, "query-plans")).toMatchObject({
    rows: [],
    unavailable: expect.stringMatching(/^No plan is at the end of \/.*log: none of the statements was slower than /),
  });
  await client.query(`
    set auto_explain.log_min_duration = 0; set auto_explain.log_analyze = on; set auto_explain.log_format = json;
    create table looked_at as select n as id, n % 1000 as kind, 'n' || n as name from generate_series(1, 20000) n`);
  await client.query("select count(*) from looked_at where kind = 77 and name <> 'hunter2'");
  await client.query("select count(*) from looked_at where kind = $1 and name <> $2", [77, "hunter2"]);
  await client.query("reset auto_explain.log_min_duration");
  const answer = await until(async () => {
    const found = await ask(client, "query-plans");
    return (found.rows as QueryPlan[]).some(({ query }) => query.includes("looked_at where")) && found;
  });
  expect(JSON.stringify(answer)).not.toMatch(/hunter2|77\b/);
  const row = (answer.rows as QueryPlan[]).find(({ query }) => query.includes("looked_at where"))!;
  expect(row).toMatchObject({
    query: "select count(*) from looked_at where kind = $1 and name <> $2",
    slowest: "Seq Scan on looked_at",
    plan: { rows: 1, parts: [{ rows: 20, removedRows: 19_980 }] },
  });
  expect(about(`statement ${row.queryId}`, answer)).toMatchObject([
    { severity: "notice", fix: expect.stringMatching(/^create index concurrently on public\.looked_at \(kind\); /) },
  ]);
});

test("a prepared transaction that was forgotten is found", async () => {
  await client.query("create table prepared (id int)");
  await client.query("begin; insert into prepared values (1); prepare transaction 'it''s mine'");
  const { findings } = await ask(client, "transactions", { "transactions.preparedSeconds": 0 });
  expect(about("it's mine", { findings }).map(({ fix }) => fix)).toEqual([
    "rollback prepared 'it''s mine'; or commit prepared, as the program that made it decides.",
  ]);
  await client.query("rollback prepared 'it''s mine'");
});

test("a table that does not fit into the cache is found, and so is the database", async () => {
  await client.query("create table wide as select n, repeat('x', 500) as filler from generate_series(1, 6000) n");
  for (let n = 0; n < 3; n++) await client.query("select count(filler) from wide");
  const answer = await ask(client, "cache-hits", { "cache-hits.leastPages": 500 });
  expect(about("public.wide", answer)[0]!.what).toMatch(
    /^Only [\d.]+ % of the pages of public\.wide came from the cache/,
  );
  expect(about("postgres", answer)).toMatchObject([{ severity: "warning" }]);
});

test("checkpoints that were asked for, and WAL that is not archived, are found", async () => {
  await client.query("checkpoint; select pg_switch_wal(); checkpoint");
  const limits = { "checkpoints.leastCheckpoints": 2 };
  const findings = await until(async () => {
    const answer = await ask(client, "checkpoints", limits);
    return answer.findings.some(({ severity }) => severity === "critical") && answer.findings;
  });
  expect(findings[0]!.what).toMatch(/^WAL is not archived: \d+ attempts? failed, the last one on [0-9A-F]{24}\.$/);
  expect(findings[1]!.what).toMatch(/ checkpoints in .* did not come by the clock\.$/);
});

test("a slot that keeps WAL is found", async () => {
  await client.query("select pg_create_physical_replication_slot('abandoned', true)");
  await client.query("create table written as select generate_series(1, 1000)");
  const answer = await ask(client, "replication", { "replication.slotBytes": 10_000 });
  expect(about("abandoned", answer)).toEqual([
    {
      severity: "warning",
      object: "abandoned",
      what: expect.stringMatching(/^The slot abandoned \(unused\) keeps [\d.]+ kB of WAL\.$/),
      why: "The server removes none of it, until the disk is full.",
      fix: "If its reader will not come back: select pg_drop_replication_slot('abandoned'); and set max_slot_wal_keep_size.",
      runbook: "replica-lagging",
    },
  ]);
  await client.query("select pg_drop_replication_slot('abandoned')");
});

test("a replica whose replay stands still is found on the replica and on the primary, and then one that receives nothing", async () => {
  await until(async () => (await ask(onReplica, "replication")).findings.length === 0);
  await onReplica.query("select pg_wal_replay_pause()");
  await client.query("create table more as select generate_series(1, 1000)");
  const limits = { "replication.lagBytes": 10_000 };
  const behind = await until(async () => {
    const { findings } = await ask(onReplica, "replication", limits);
    return findings.length === 2 && findings;
  });
  expect(behind.map(({ what }) => what)).toEqual([
    "The replay of this replica is paused.",
    expect.stringMatching(/^This replica is \d+ s and [\d.]+ kB of WAL behind\.$/),
  ]);
  const seen = await until(async () => about("follower", await ask(client, "replication", limits))[0]);
  expect(seen.what).toMatch(/^The replica follower is [\d.]+ kB of WAL behind, and what it replays is /);
  await client.end();
  await stopServer(primary.cluster);
  const alone = await until(async () => {
    const { findings } = await ask(onReplica, "replication");
    return findings.find(({ severity }) => severity === "critical");
  });
  expect(alone.what).toBe("This replica receives nothing: it has no connection to its primary.");
});
