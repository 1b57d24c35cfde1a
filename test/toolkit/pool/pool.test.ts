import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import type { PoolOptions } from "../../../toolkit/pool/options.ts";
import { createPool, type Pool } from "../../../toolkit/pool/pool.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { failure, startProxy, timeless, until, useAtOnce } from "./support.ts";

let database: TestDatabase;
const open: Pool[] = [];

beforeAll(async () => {
  // Jest's way to write a stack names a function after the one that it calls; this is as Node writes it.
  Error.prepareStackTrace = (error, frames) => [error, ...frames].join("\n    at ");
  database = await createDatabase();
  await database.client.query(
    "create table accounts (id int primary key, balance int); insert into accounts values (1, 0), (2, 0)",
  );
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((pool) => pool.end({ timeout: 0 })));
});
afterAll(() => database.drop());

function make(options: PoolOptions = {}): Pool {
  const pool = createPool(database.connection, { applicationName: "pooled", ...options });
  open.push(pool);
  return pool;
}

async function sessions(): Promise<number[]> {
  const { rows } = await database.client.query(
    "select pid from pg_stat_activity where datname = current_database() and application_name = 'pooled' order by pid",
  );
  return rows.map(({ pid }) => pid);
}

test("eight connections are open before anybody asks, and fifteen is the most", async () => {
  const pool = make();
  await until(async () => (await sessions()).length === 8);
  await useAtOnce(pool, 40);
  expect((await sessions()).length).toBe(15);
  expect(pool.getConnectionPoolStatus()).toMatchObject({ min: 8, max: 15, total: 15, idle: 15, inUse: 0, waiting: 0 });
});

test("ready() says what is wrong with the password, and a request does not wait for it to become right", async () => {
  const pool = createPool({ ...database.connection, password: "wrong" }, { min: 1 });
  open.push(pool);
  const expected = /cannot connect to .*: the password is not accepted/;
  expect((await failure(pool.ready())).message).toMatch(expected);
  expect((await failure(pool.query("select 1"))).message).toMatch(expected);
});

test("requests are served in the order in which they came", async () => {
  const pool = make({ min: 2, max: 2 });
  const served: number[] = [];
  const all = Array.from({ length: 20 }, (_, number) =>
    pool.withClient(async (client) => {
      served.push(number);
      await client.query("select pg_sleep(0.002)");
    }),
  );
  await Promise.all(all);
  expect(served).toEqual(Array.from({ length: 20 }, (_, number) => number));
  expect(pool.getConnectionPoolStatus().waits).toMatchObject({ count: 20 });
  const { p50, p95, p99, max } = pool.getConnectionPoolStatus().waits;
  expect([p50 <= p95, p95 <= p99, p99 <= max, max > 0]).toEqual([true, true, true, true]);
});

test("a request that is not served in time says who has the connections, since when, and what runs on them", async () => {
  const pool = make({ min: 3, max: 3, acquireTimeout: 200 });
  await pool.ready();
  const gates: (() => void)[] = [];
  const held = () => new Promise<void>((release) => gates.push(release));
  async function forgetsItsTransaction() {
    await pool.withClient(async (client) => {
      await client.query("begin");
      await client.query("update accounts set balance = balance where id = 1 and 'a secret' <> ''");
      await held();
    });
  }
  async function countsSlowly() {
    await pool.query("select pg_sleep($1)", [1]).catch(() => {});
  }
  const work = [forgetsItsTransaction(), countsSlowly(), countsSlowly()];
  await until(() => gates.length === 1 && pool.getConnectionPoolStatus().holders.length === 3);
  const [first, second] = await Promise.all([failure(pool.query("select 1")), failure(pool.query("select 2"))]);
  gates[0]!();
  await Promise.all(work);
  expect(timeless(first.message)).toBe(
    `no connection became free within 200 ms: all 3 of the pool are in use, and this request is the next
  why: countsSlowly (test/toolkit/pool/pool.test.ts:#) has 2, the oldest for # s, running for # s: select pg_sleep($1)
       forgetsItsTransaction (test/toolkit/pool/pool.test.ts:#) has 1, the oldest for # s, idle for # s after: update accounts set balance = balance where id = 1 and '…' <> '…'
  fix: Give connections back sooner, or raise max (3) if the server has room: see runbooks/pool-exhausted.md.`,
  );
  expect(second.message).toContain("all 3 of the pool are in use");
  expect(first).toMatchObject({ holders: [{}, {}, {}] });
  expect(pool.getConnectionPoolStatus()).toMatchObject({ timeouts: 2, inUse: 0, holders: [] });
});

test("a connection that is not given back is reported once, with the stack that took it", async () => {
  const pool = make({ min: 1, leakAfter: 50 });
  const reports: unknown[] = [];
  pool.on("leak", (holder) => reports.push(holder));
  let release = () => {};
  async function forgetsToReturn() {
    await pool.withClient(async (client) => {
      await client.query("select 'secret'");
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    });
  }
  const leaking = forgetsToReturn();
  await until(() => reports.length > 0);
  await pool.query("select pg_sleep(0.01)");
  expect(reports).toEqual([
    expect.objectContaining({
      takenBy: expect.stringMatching(/^forgetsToReturn \(test\/toolkit\/pool\/pool\.test\.ts:\d+:\d+\)$/),
      stack: expect.stringContaining("at forgetsToReturn"),
      state: "idle",
      statement: "select '…'",
      pid: expect.any(Number),
    }),
  ]);
  expect(pool.getConnectionPoolStatus()).toMatchObject({ leaks: 1, inUse: 1 });
  release();
  await leaking;
});

test("it says that it is above 80 %, and that it is not only once it has fallen to 60 %", async () => {
  const pool = make({ min: 1, max: 5 });
  const heard: string[] = [];
  pool.on("high", ({ inUse, utilisation }) => heard.push(`high ${inUse} ${utilisation}`));
  pool.on("normal", ({ inUse, utilisation }) => heard.push(`normal ${inUse} ${utilisation}`));
  const releases: (() => void)[] = [];
  const take = async () => {
    const count = releases.length;
    void pool.withClient(() => new Promise<void>((release) => releases.push(release)));
    await until(() => releases.length > count);
  };
  const give = async () => {
    const { inUse } = pool.getConnectionPoolStatus();
    releases.pop()!();
    await until(() => pool.getConnectionPoolStatus().inUse < inUse);
  };
  for (let taken = 0; taken < 4; taken++) await take();
  expect(heard).toEqual([]);
  await take();
  expect(heard).toEqual(["high 5 100"]);
  await give();
  await take();
  await give();
  expect(heard).toEqual(["high 5 100"]);
  await give();
  expect(heard).toEqual(["high 5 100", "normal 3 60"]);
  while (releases.length) await give();
});

test("a connection that was used a moment ago costs no ping; one that has been quiet costs one", async () => {
  const proxy = await startProxy(database.connection.port);
  const through = { ...database.connection, port: proxy.port };
  const messages = async (freshFor: number) => {
    const pool = createPool(through, { min: 1, max: 1, freshFor });
    await pool.ready();
    await pool.query("select 1");
    const before = proxy.sent;
    for (let n = 0; n < 20; n++) await pool.query("select 1");
    const { sent } = proxy;
    await pool.end();
    return sent - before;
  };
  expect([await messages(60_000), await messages(0)]).toEqual([20, 40]);
  await proxy.close();
});

test("connections are replaced at the end of their lifetime, not all at once, and there are always enough", async () => {
  const pool = make({ min: 6, max: 6, maxLifetime: 1_000, jitter: 90 });
  await pool.ready();
  const first = await sessions();
  const left = async () => (await sessions()).filter((pid) => first.includes(pid)).length;
  // Seen while some of the first are gone and others are not: they do not go together.
  const seen = new Set<number>();
  await until(async () => {
    seen.add(await left());
    return seen.has(0);
  });
  expect(Math.max(...[...seen].filter((count) => count < 6))).toBeGreaterThan(0);
  await until(async () => (await sessions()).length === 6);
});

test("connections above the minimum are closed when they have been idle", async () => {
  const pool = make({ min: 2, max: 6, idleTimeout: 200 });
  await useAtOnce(pool, 6);
  await until(async () => (await sessions()).length === 2);
  expect(pool.getConnectionPoolStatus()).toMatchObject({ total: 2, idle: 2 });
});

test("a transaction that is left open is rolled back before the next one gets the connection", async () => {
  const pool = make({ min: 1, max: 1 });
  await pool.withClient((client) => client.query("begin; update accounts set balance = 99 where id = 1"));
  const { rows } = await pool.query(
    "select balance, pg_current_xact_id_if_assigned() as xid from accounts where id = 1",
  );
  expect(rows).toEqual([{ balance: 0, xid: null }]);
});

test("the server ends a statement at the limit, and the connection stays", async () => {
  const pool = make({ min: 1, max: 1, statementTimeout: 50 });
  const before = await useAtOnce(pool, 1);
  await expect(pool.query("select pg_sleep(5)")).rejects.toMatchObject({ code: "57014" });
  expect(await useAtOnce(pool, 1)).toEqual(before);
});

test("the server ends a session that forgot its transaction, and the process survives it", async () => {
  const pool = make({ min: 1, max: 1, idleInTransactionTimeout: 50 });
  const error = await failure(
    pool.withClient(async (client) => {
      await client.query("begin");
      await until(
        async () =>
          (await client.query("select 1").catch(() => undefined)) === undefined ||
          new Promise((r) => setTimeout(r, 100)),
      );
      await client.query("select 1");
    }),
  );
  expect(error.message).toMatch(/not queryable|terminat/);
  expect((await pool.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
});

test("end() serves who has asked, refuses who asks then, and cuts off who does not finish", async () => {
  const pool = make({ min: 1, max: 1 });
  const asked = [pool.query("select 1 as n"), pool.query("select 2 as n")];
  const ended = pool.end();
  expect((await failure(pool.query("select 3"))).message).toBe(
    "the pool is closed\n  why: end() was called.\n  fix: Make a new pool, or end it later.",
  );
  expect((await Promise.all(asked)).map(({ rows }) => rows[0].n)).toEqual([1, 2]);
  expect(await ended).toEqual([]);

  const other = make({ min: 1, max: 1 });
  const [running, waiting] = [failure(other.query("select pg_sleep(30)")), failure(other.query("select 1"))];
  await until(() => other.getConnectionPoolStatus().holders[0]?.state === "running");
  expect(await other.end({ timeout: 20 })).toMatchObject([{ state: "running", statement: "select pg_sleep(30)" }]);
  expect([(await running).message, (await waiting).message]).toEqual(
    Array(2).fill(expect.stringContaining("the pool is closed")),
  );
});

test("a cursor is refused by query(), and the numbers by name when they make no sense", async () => {
  const pool = make({ min: 1 });
  expect((await failure(pool.query({ submit() {} } as never))).message).toMatch(/cannot run a cursor or a stream/);
  expect(() => createPool(database.connection, { max: 0 })).toThrow(
    "the pool's max cannot be 0\n  fix: Give a whole number of connections from 1 to 2147483647, or leave it out for 15.",
  );
  expect(() => createPool(database.connection, { min: 9, max: 3 })).toThrow(
    "the pool's min (9) is above its max (3)\n  fix: Lower min, or raise max.",
  );
});
