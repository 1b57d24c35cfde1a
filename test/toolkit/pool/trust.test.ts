import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { PoolOptions } from "../../../toolkit/pool/options.ts";
import { createPool, type Pool } from "../../../toolkit/pool/pool.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { startProxy, type TcpProxy, until, useAtOnce } from "./support.ts";

/** Which of its connections a pool lends without asking, which with, and which not at all. */
let database: TestDatabase;
let proxy: TcpProxy;
const open: Pool[] = [];

beforeAll(async () => {
  database = await createDatabase();
});
beforeEach(async () => {
  proxy = await startProxy(database.connection.port);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((pool) => pool.end({ timeout: 0 })));
  await proxy.close();
});
afterAll(() => database.drop());

async function make(options: PoolOptions): Promise<Pool> {
  const pool = createPool({ ...database.connection, port: proxy.port }, options);
  open.push(pool);
  await pool.ready();
  return pool;
}

/** Keeps this process from reading anything. */
function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** Kills a backend and waits until it is gone, all of it in one turn of the event loop. */
function killUnnoticed(pid: number): void {
  process.kill(pid, "SIGTERM");
  const isThere = () => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  for (let round = 0; isThere() && round < 500; round++) block(10);
}

test("the end of a connection that has arrived and is not read yet is read before it is lent", async () => {
  // Directly: the proxy, too, reads nothing while this process is blocked.
  const pool = createPool(database.connection, { min: 2, max: 2, freshFor: 60_000 });
  open.push(pool);
  await pool.ready();
  for (const ask of [
    () => pool.query("select pg_backend_pid() as pid"),
    () => pool.withClient((client) => client.query("select pg_backend_pid() as pid")),
    () => pool.transaction((client) => client.query("select pg_backend_pid() as pid")),
  ]) {
    const { pid } = (await ask()).rows[0];
    killUnnoticed(pid);
    // It is what would be lent next, it was heard a moment ago, and nobody here knows.
    expect((await ask()).rows[0].pid).not.toBe(pid);
  }
  expect(pool.getConnectionPoolStatus().retries).toBe(0);
});

test("a connection that was quiet for long is asked before it is lent, and one that does not answer is replaced", async () => {
  const pool = await make({ min: 2, max: 2, freshFor: 50, pingTimeout: 100, statementTimeout: 400, answerGrace: 0 });
  const before = await useAtOnce(pool, 2);
  await sleep(60);
  proxy.stalled = true;
  const asked = pool.query("select pg_backend_pid() as pid");
  await until(() => proxy.lost > 0);
  proxy.stalled = false;
  // The caller gets an answer, for what was lost was a ping and not the statement.
  expect(before).not.toContain((await asked).rows[0].pid);
  expect(pool.getConnectionPoolStatus()).toMatchObject({ retries: 0, timeouts: 0 });
});

test("where one connection is silent, those that were heard no later are closed unasked", async () => {
  const pool = await make({ min: 4, max: 4, freshFor: 50, pingTimeout: 100, statementTimeout: 400, answerGrace: 0 });
  const before = await useAtOnce(pool, 4);
  await sleep(60);
  proxy.stalled = true;
  const asked = pool.query("select 1");
  await until(() => proxy.lost > 0);
  proxy.stalled = false;
  await asked;
  // The others would answer now; but while the network hung, each would have cost its caller a ping's time.
  const after = await useAtOnce(pool, 4);
  expect([after.filter((pid) => before.includes(pid)), proxy.lost]).toEqual([[], 1]);
});
