import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import type { Connection } from "../../../toolkit/connection.ts";
import { replicasOf } from "../../../toolkit/replicas/outputs.ts";
import { createRouter, type Router, type RouterConfig } from "../../../toolkit/replicas/router.ts";
import { findBinaries } from "../../../toolkit/server/binaries.ts";
import { startServer } from "../../../toolkit/server/control.ts";
import type { ServerOutputs } from "../../../toolkit/server/properties.ts";
import { create } from "../../../toolkit/server/resource.ts";
import { serverUser } from "../../../toolkit/server/systemUser.ts";
import { freePort } from "../../support/server.ts";
import { ask, killServer, makeStack, printed, type Stack, until } from "../server/stack.ts";

/** One primary and one replica through their life: the tests that promote the replica come last. */
let stack: Stack;
let state: ServerOutputs;
let replica: Connection;
let replicaData: string;
let router: Router | undefined;

beforeAll(async () => {
  stack = await makeStack();
  const endpoint = `127.0.0.1:${await freePort()}`;
  const reader = { name: "reader", endpoint, region: "local" as const, weight: 1, promotionTier: 1 };
  const inputs = { ...stack.inputs, settings: { ...stack.inputs.settings, max_connections: "50" }, replicas: [reader] };
  state = (await printed(() => create(inputs))).result.outs;
  replica = replicasOf(state.replicas!, state.connection)[0]!.connection;
  replicaData = join(stack.inputs.directory, "replicas/reader/data");
  await ask(state.connection, "create table counters (id int primary key, value int not null)");
  await ask(state.connection, "insert into counters select id, 0 from generate_series(1, 8) as id");
});
afterEach(async () => {
  await router?.end();
  router = undefined;
});
afterAll(() => stack.remove());

async function route(options: Partial<RouterConfig> = {}): Promise<Router> {
  router = createRouter({
    primary: { connection: state.connection },
    replicas: replicasOf(state.replicas!, state.connection),
    pool: { min: 1, max: 8 },
    probeInterval: 20,
    ...options,
  });
  await router.ready();
  return router;
}

const server = (from: Router, name: string) => from.status().servers.find((each) => each.name === name)!;
const isReadOnly = async (from: Router) =>
  (await from.read("select pg_is_in_recovery() as standby")).rows[0].standby as boolean;

/** Eight users add to a counter of their own and look: how often was what they saw older than what they wrote? */
async function staleReads(from: Router, rounds: number, isSession: boolean): Promise<number> {
  let stale = 0;
  async function user(id: number): Promise<void> {
    const session = isSession ? from.session() : undefined;
    for (let round = 0; round < rounds; round++) {
      const statement = "update counters set value = value + 1 where id = $1 returning value";
      const written =
        round % 2 === 0
          ? await from.write(statement, { values: [id], session })
          : await from.transaction((client) => client.query(statement, [id]), { session });
      const seen = await from.read("select value from counters where id = $1", { values: [id], session });
      if (seen.rows[0].value < written.rows[0].value) stale += 1;
    }
  }
  await Promise.all(Array.from({ length: 8 }, (_, index) => user(index + 1)));
  return stale;
}

async function delayReplay(delay: string): Promise<void> {
  await ask(replica, `alter system set recovery_min_apply_delay = '${delay}'`);
  await ask(replica, "select pg_reload_conf()");
}

async function caughtUp(): Promise<void> {
  const { position } = await ask<{ position: string }>(
    state.connection,
    "select pg_current_wal_flush_lsn()::text as position",
  );
  const reached = `select pg_last_wal_replay_lsn() >= '${position}' as reached`;
  await until(async () => (await ask<{ reached: boolean }>(replica, reached)).reached);
}

/** Stops replay until `work` is done. */
async function whilePaused(work: () => Promise<void>): Promise<void> {
  await caughtUp();
  await ask(replica, "select pg_wal_replay_pause()");
  const asked = "select pg_get_wal_replay_pause_state() = 'paused' as paused";
  await until(async () => (await ask<{ paused: boolean }>(replica, asked)).paused);
  try {
    await work();
  } finally {
    await ask(replica, "select pg_wal_replay_resume()");
  }
}

test("reads go to the replica, and writes to the primary", async () => {
  const routed = await route();
  expect(await isReadOnly(routed)).toBe(true);
  expect((await routed.write("select pg_is_in_recovery() as standby")).rows).toEqual([{ standby: false }]);
  // The lag is not known before the primary has been looked at too, and at the first look the replica may be the quicker.
  await until(async () => routed.status().servers.every(({ lag }) => lag !== undefined));
  expect(routed.status()).toMatchObject({
    primary: "primary",
    timeline: 1,
    servers: [
      { name: "primary", role: "primary", takesReads: false, reason: "its weight is 0", lag: 0 },
      { name: "reader", role: "standby", takesReads: true, lag: 0, lagBytes: 0, timeline: 1 },
    ],
    reads: { replica: 1, primary: 0 },
  });
});

test("under load no session's read is older than its writes, and replicas still answer", async () => {
  const routed = await route({ replayWait: 2_000 });
  expect(await staleReads(routed, 40, true)).toBe(0);
  expect(routed.status().reads.replica).toBeGreaterThan(0);
});

test("where replay is late, sessions read from the primary, and the checker sees what others get", async () => {
  const routed = await route({ replayWait: 20 });
  await delayReplay("10s");
  try {
    expect(await staleReads(routed, 5, true)).toBe(0);
    expect(routed.status().reads.behind).toBeGreaterThan(30);
    expect(await staleReads(routed, 5, false)).toBeGreaterThan(0);
  } finally {
    await delayReplay("0");
    await caughtUp();
  }
});

test("a session's writes are seen by the same session in another process, which knows where they end", async () => {
  const routed = await route({ replayWait: 20 });
  await whilePaused(async () => {
    const session = routed.session();
    const written = await routed.write("update counters set value = value + 1 where id = 1 returning value", {
      session,
    });
    const elsewhere = routed.session(session.lsn);
    const seen = await routed.read("select value from counters where id = 1", { session: elsewhere });
    expect(seen.rows).toEqual(written.rows);
    expect((await routed.read("select value from counters where id = 1")).rows).not.toEqual(written.rows);
  });
});

test("a replica whose replay stops is left out after several bad probes, and comes back", async () => {
  const routed = await route({ maxLag: 200 });
  const told: string[] = [];
  routed.on("left", ({ server: name, reason }) => void told.push(`left: ${name}: ${reason.replace(/\d+/, "#")}`));
  routed.on("returned", ({ server: name }) => void told.push(`returned: ${name}`));
  await whilePaused(async () => {
    await until(async () => {
      await routed.write("update counters set value = value + 1 where id = 1");
      return told.length > 0;
    });
    expect(await isReadOnly(routed)).toBe(false);
    expect(server(routed, "reader").breaches).toBeGreaterThanOrEqual(3);
    expect(server(routed, "reader").lagBytes).toBeGreaterThan(0);
  });
  await until(() => told.length > 1);
  expect(await isReadOnly(routed)).toBe(true);
  expect(told).toEqual(["left: reader: it is # ms behind, and maxLag is 200 ms", "returned: reader"]);
});

test("a replica with nothing to replay is not lagging", async () => {
  const routed = await route({ maxLag: 100 });
  await sleep(300);
  const { age } = await ask<{ age: number }>(
    replica,
    "select extract(epoch from now() - pg_last_xact_replay_timestamp())::float8 * 1000 as age",
  );
  expect(age).toBeGreaterThan(100);
  expect(server(routed, "reader")).toMatchObject({ takesReads: true, lag: 0 });
});

test("a read that asks for less lag than can be known goes to the primary", async () => {
  const routed = await route();
  const read = await routed.read("select pg_is_in_recovery() as standby", { maxLag: 0 });
  expect(read.rows).toEqual([{ standby: false }]);
});

test("a replica that is killed costs no read, and is used again once it is back", async () => {
  const routed = await route();
  let working = true;
  const failures: unknown[] = [];
  const load = Array.from({ length: 4 }, async () => {
    while (working) await routed.read("select value from counters where id = 1").catch((error) => failures.push(error));
  });
  await sleep(50);
  await killServer(replicaData);
  await until(() => !server(routed, "reader").takesReads);
  expect(await isReadOnly(routed)).toBe(false);
  const user = await serverUser(replicaData);
  const log = join(replicaData, "../postgresql.log");
  await startServer({ data: replicaData, log, binaries: await findBinaries(user), user });
  await until(() => server(routed, "reader").takesReads);
  expect(await isReadOnly(routed)).toBe(true);
  working = false;
  await Promise.all(load);
  expect(failures).toEqual([]);
});

test("when the primary is killed writes wait for the promotion, and its ghost is never written to", async () => {
  const routed = await route();
  const told: unknown[] = [];
  routed.on("promoted", (event) => void told.push(event));
  routed.on("fenced", (event) => void told.push(event));
  const session = routed.session();
  await routed.write("update counters set value = 1000 where id = 1", { session });
  await until(
    async () => (await ask<{ value: number }>(replica, "select value from counters where id = 1")).value === 1000,
  );
  await killServer(stack.data);
  // A statement that is sent to a backend which is about to notice may be done, and is not repeated.
  await until(() => server(routed, "primary").pool.outage !== undefined && server(routed, "primary").pool.idle === 0);
  expect(await isReadOnly(routed)).toBe(true);
  const write = routed.write("update counters set value = value + 1 where id = 1 returning value", { session });
  await sleep(100);
  await ask(replica, "select pg_promote()");
  expect((await write).rows).toEqual([{ value: 1001 }]);
  expect((await routed.read("select value from counters where id = 1", { session })).rows).toEqual([{ value: 1001 }]);
  expect(routed.status()).toMatchObject({ primary: "reader", timeline: 2 });

  const user = await serverUser(stack.data);
  const ghost = {
    data: stack.data,
    log: join(stack.data, "../postgresql.log"),
    binaries: await findBinaries(user),
    user,
  };
  await startServer(ghost);
  await until(() => told.length > 1);
  expect(told).toEqual([
    { from: "primary", to: "reader", timeline: 2 },
    { server: "primary", timeline: 1, primary: "reader", primaryTimeline: 2 },
  ]);
  expect(await isReadOnly(routed)).toBe(false);
  for (let round = 0; round < 10; round++) await routed.write("update counters set value = value + 1 where id = 1");
  expect(await ask(state.connection, "select value from counters where id = 1")).toEqual({ value: 1000 });
  expect(await ask(replica, "select value from counters where id = 1")).toEqual({ value: 1011 });
  expect(server(routed, "primary")).toMatchObject({ role: "fenced", takesReads: false });

  await killServer(stack.data);
  await writeFile(join(stack.data, "standby.signal"), "");
  await startServer(ghost);
  await until(() => server(routed, "primary").role === "standby");
  expect((await routed.write("select pg_is_in_recovery() as standby")).rows).toEqual([{ standby: false }]);
  await rm(join(stack.data, "standby.signal"));
});
