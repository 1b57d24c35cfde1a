import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { type Connection, parseConnectionString, withClient } from "../../../toolkit/connection.ts";
import type { PoolOptions } from "../../../toolkit/pool/options.ts";
import { createPool, type Pool } from "../../../toolkit/pool/pool.ts";
import { findBinaries } from "../../../toolkit/server/binaries.ts";
import type { Cluster } from "../../../toolkit/server/cluster.ts";
import { startServer, stopServer } from "../../../toolkit/server/control.ts";
import { clusterIn } from "../../../toolkit/server/scratchFolder.ts";
import { serverUser } from "../../../toolkit/server/systemUser.ts";
import { testServer } from "../../support/database.ts";
import { startTestServer, stopTestServer } from "../../support/server.ts";
import { failure, startProxy, type TcpProxy, until, useAtOnce } from "./support.ts";

// A server of its own, for it is restarted; the run's server is the one that a failover goes to.
let server: { folder: string; url: string };
let cluster: Cluster;
let direct: Connection;
let proxy: TcpProxy;
const open: Pool[] = [];

beforeAll(async () => {
  const other = testServer();
  server = await startTestServer(other.password);
  const user = await serverUser();
  cluster = clusterIn(server.folder, await findBinaries(user), user);
  direct = parseConnectionString(server.url);
  await execute("create table written (n int primary key, place text default inet_server_port()::text)");
  proxy = await startProxy(direct.port);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((pool) => pool.end({ timeout: 0 })));
});
afterAll(async () => {
  await proxy?.close();
  await stopTestServer(server.folder);
});

function make(options: PoolOptions = {}): Pool {
  const pool = createPool({ ...direct, port: proxy.port }, { min: 4, max: 6, ...options });
  open.push(pool);
  return pool;
}

function execute(text: string) {
  return withClient(direct, {}, (client) => client.query(text));
}

/** Ends backends and waits until they are gone. */
function kill(pids: number[]) {
  return execute(`select pg_terminate_backend(pid, 10000) from unnest('{${pids}}'::int[]) pid`);
}

test("no request is given a connection whose backend was killed", async () => {
  const pool = make();
  await pool.ready();
  const victims = await useAtOnce(pool, 6);
  await kill(victims);
  const after = await useAtOnce(pool, 12);
  expect(after.filter((pid) => victims.includes(pid))).toEqual([]);
  expect(pool.getConnectionPoolStatus()).toMatchObject({ retries: 0, timeouts: 0 });
});

test("a statement in flight fails with its backend; one that may be repeated is", async () => {
  const pool = make();
  const running = (milliseconds: number) => `select pg_backend_pid() as pid, pg_sleep(${milliseconds / 1000}) as slept`;
  const killRunning = async () => {
    await until(() => pool.getConnectionPoolStatus().holders[0]?.state === "running");
    const { pid } = pool.getConnectionPoolStatus().holders[0]!;
    await kill([pid!]);
    return pid;
  };
  const lost = failure(pool.query(running(10_000)));
  await killRunning();
  expect(await lost).toMatchObject({ code: "57P01" });

  const repeated = pool.query({ text: running(200), retry: true });
  const pid = await killRunning();
  expect((await repeated).rows[0].pid).not.toBe(pid);
  expect(pool.getConnectionPoolStatus()).toMatchObject({ retries: 1, inUse: 0 });
});

test("a commit whose answer is lost is told as what it is: unknown", async () => {
  const pool = make();
  // Runs at the commit, and waits there to be killed.
  await execute(`create table slow (n int);
    create function wait() returns trigger language plpgsql as $$ begin perform pg_sleep(10); return null; end $$;
    create constraint trigger slow after insert on slow deferrable initially deferred for each row execute function wait()`);
  const lost = failure(pool.transaction((client) => client.query("insert into slow values (1)")));
  await until(() => pool.getConnectionPoolStatus().holders[0]?.statement === "commit");
  await kill([pool.getConnectionPoolStatus().holders[0]!.pid!]);
  expect((await lost).message).toBe(
    `it is not known whether the transaction was committed
  why: The connection was lost while it was: terminating connection due to administrator command
  fix: Look for what it wrote before it is done again, or write in a way that may be repeated (on conflict do nothing).`,
  );
});

test("a network that hangs costs the statement that was in flight, and no other", async () => {
  const pool = make({ statementTimeout: 150, answerGrace: 50, pingTimeout: 100, freshFor: 50, connectTimeout: 200 });
  await pool.ready();
  await useAtOnce(pool, 6);
  const [inFlight, safe] = [
    failure(pool.query("select pg_sleep(0.05)")),
    pool.query({ text: "select pg_sleep(0.05), 1 as n", retry: true }),
  ];
  await until(() => pool.getConnectionPoolStatus().holders.filter(({ state }) => state === "running").length === 2);
  proxy.stalled = true;
  const opened = proxy.open;
  // These find their connection silent, and wait.
  await sleep(120);
  const waiting = Array.from({ length: 10 }, (_, n) => pool.query("select $1::int as n", [n]));
  expect((await inFlight).message).toBe(
    `the server did not answer within 200 ms, and the connection was destroyed
  why: The network hangs, or the statement takes longer. Whether it was done is not known: select pg_sleep(0.05)
  fix: Give a slow statement a query_timeout of its own; mark one that may be repeated with retry: true.`,
  );
  await until(() => pool.getConnectionPoolStatus().outage);
  proxy.stalled = false;
  expect((await Promise.all(waiting)).map(({ rows }) => rows[0].n)).toEqual(Array.from({ length: 10 }, (_, n) => n));
  expect((await safe).rows[0].n).toBe(1);
  expect(opened).toBeGreaterThan(0);
  expect(pool.getConnectionPoolStatus()).toMatchObject({ inUse: 0, outage: undefined });
});

/** Writes numbers, eight at a time, until told to stop. @returns the numbers that were acknowledged, and the errors */
function writeOnAndOn(pool: Pool) {
  const [acknowledged, errors]: [number[], Error[]] = [[], []];
  let [next, stopped] = [0, false];
  const writers = Array.from({ length: 8 }, async () => {
    while (!stopped) {
      const n = next++;
      await pool.query("insert into written (n) values ($1)", [n]).then(
        () => acknowledged.push(n),
        (error) => errors.push(error),
      );
    }
  });
  return {
    acknowledged,
    errors,
    async stop() {
      stopped = true;
      await Promise.all(writers);
    },
  };
}

test("a restart and then a failover cost the statements in flight, no other, and lose nothing acknowledged", async () => {
  const pool = make();
  const events: string[] = [];
  pool.on("outage", () => events.push("outage")).on("recovered", () => events.push("recovered"));
  await pool.ready();

  await execute("truncate written");
  const first = writeOnAndOn(pool);
  await until(() => first.acknowledged.length > 50);
  await stopServer(cluster);
  await startServer(cluster);
  const before = first.acknowledged.length;
  await until(() => first.acknowledged.length > before + 50);
  await first.stop();
  const { rows } = await execute("select n from written");
  const written = new Set(rows.map(({ n }) => n));
  expect(first.acknowledged.filter((n) => !written.has(n))).toEqual([]);
  // Six connections can have had one statement each in flight.
  expect(first.errors.length).toBeLessThanOrEqual(6);
  expect(events).toEqual(["outage", "recovered"]);

  const standIn = testServer();
  await withClient(standIn, {}, (client) => client.query("drop table if exists written; create table written (n int)"));
  await execute("truncate written");
  const second = writeOnAndOn(pool);
  await until(() => second.acknowledged.length > 50);
  proxy.target = standIn.port;
  await stopServer(cluster);
  const so = second.acknowledged.length;
  await until(() => second.acknowledged.length > so + 50);
  await second.stop();
  expect(second.errors.length).toBeLessThanOrEqual(6);
  await withClient(standIn, {}, (client) => client.query("drop table written"));
  proxy.target = direct.port;
  await startServer(cluster);
});

test("a primary that became a standby is left for the new one, and the statement that it refused is not lost", async () => {
  const pool = make({ min: 2, max: 2, freshFor: 60_000 });
  await pool.ready();
  await execute("drop table if exists moved; create table moved (n int)");
  // What a demoted server does to its sessions: every write is refused with 25006; new sessions reach the new primary.
  await pool.withClient((client) => client.query("set default_transaction_read_only = on"));
  await Promise.all([
    pool.query("insert into moved values (1)"),
    pool.transaction((client) => client.query("insert into moved values (2)")),
  ]);
  expect((await execute("select n from moved order by n")).rows).toEqual([{ n: 1 }, { n: 2 }]);
  expect(pool.getConnectionPoolStatus().retries).toBe(1);
});
