import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { type Cache, type CacheOptions, createCache } from "../../../toolkit/cache/cache.ts";
import { command } from "../../../toolkit/cache/command.ts";
import { freezeAndWeigh } from "../../../toolkit/cache/freeze.ts";
import { announceLike, findNewPartitions, watchNewPartitions } from "../../../toolkit/cache/newPartitions.ts";
import { readWatched, unwatchTables, watchTables } from "../../../toolkit/cache/watch.ts";
import { withClient } from "../../../toolkit/connection.ts";
import { fingerprint } from "../../../toolkit/migrate/fingerprint.ts";
import { createPool, type Pool } from "../../../toolkit/pool/pool.ts";
import { defineQuery } from "../../../toolkit/queries/query.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { failure, startProxy, until } from "../pool/support.ts";
import { counter, counters, createCounters, lookForStaleReads } from "./checker.ts";

let database: TestDatabase;
/** Writes, and is not the cache's own. */
let pool: Pool;
const open: Cache[] = [];

beforeEach(async () => {
  database = await createDatabase();
  await createCounters(database.client);
  await watchTables(database.client, ["counters"]);
  pool = createPool(database.connection, { min: 1 });
});
afterEach(async () => {
  await Promise.all([...open.splice(0), pool].map((each) => each.end()));
  await database.drop();
});

async function make(options: CacheOptions = {}, connection = database.connection): Promise<Cache> {
  const cache = createCache(connection, { heartbeat: 100, reconnectAfter: 50, ...options });
  open.push(cache);
  await cache.ready();
  return cache;
}

const value = async (cache: Cache, id = 0) => (await cache.cached(counter, { id })).rows[0]!.value;
const bump = (id = 0) => `update counters set value = value + 1 where id = ${id}`;

/** Ends the listener's backend. */
const killListener = () =>
  database.client.query(
    "select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name = 'cache listener' and datname = current_database()",
  );

test("nothing is served that is older than a commit acknowledged in this process, the listener killed in the middle", async () => {
  const cache = await make();
  const killed = async () => void (await killListener());
  const seen = await lookForStaleReads(cache, database.connection, { milliseconds: 1_800, during: killed });
  expect(seen.stale).toBe(0);
  expect(seen.reads).toBeGreaterThan(seen.writes);
  // It hits, loses, shares and bypasses, or the checker has proved nothing.
  const { hits, misses, shared, bypassed, invalidations } = cache.getCacheStatus();
  expect(Math.min(seen.writes, hits, misses, shared, bypassed, invalidations)).toBeGreaterThan(0);
});

test("the checker counts stale reads where the database does not announce", async () => {
  const cache = await make({ heartbeat: 60_000 });
  await value(cache);
  // Its triggers are there, and say nothing.
  await database.client.query(
    "create or replace function deploy.announce_change() returns trigger language plpgsql as 'begin return null; end'",
  );
  const seen = await lookForStaleReads(cache, database.connection, { milliseconds: 600 });
  expect(seen.stale).toBeGreaterThan(0);
});

test("requests that come together are one query, and its rows are nobody's to change", async () => {
  const cache = await make();
  await value(cache, 1);
  const pages = await Promise.all(Array.from({ length: 20 }, () => cache.cached(counter, { id: 0 })));
  expect(new Set(pages).size).toBe(1);
  expect(cache.getCacheStatus()).toMatchObject({ misses: 2, shared: 19, hits: 0, entries: 2 });
  expect(() => Object.assign(pages[0]!.rows[0]!, { value: 9 })).toThrow(TypeError);
  await value(cache);
  expect(cache.getCacheStatus()).toMatchObject({ misses: 2, hits: 1 });
});

test("a result that was on its way when its table changed is not kept, and not given to who asks after", async () => {
  const cache = await make();
  // The first one reads, and then takes its time; the next ones do not.
  const slow = defineQuery<{ value: number }>()({
    ...counter,
    name: "slow",
    statement: ({ id }) => ({
      text: "select value, pg_sleep(case value when 0 then 0.4 else 0 end) from counters where id = $1",
      values: [id],
    }),
  });
  const ask = async () => (await cache.cached(slow, { id: 3 })).rows[0]!.value;
  const late = ask();
  await until(async () => {
    const { rowCount } = await database.client.query(
      "select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()",
    );
    return rowCount;
  });
  await pool.query(bump(3));
  expect(await ask()).toBe(1);
  expect(await late).toBe(0);
  expect(await ask()).toBe(1);
  expect(cache.getCacheStatus()).toMatchObject({ misses: 2, hits: 1, shared: 0 });
});

test("statements, foreign keys that cascade, truncate and a write to a partition are told; a rollback is not", async () => {
  await database.client.query(`create table notes (id int references counters on delete cascade);
    insert into notes values (3)`);
  await watchTables(database.client, ["notes"]);
  const cache = await make();
  const notes = { ...counter, name: "notes", tables: ["notes"] };
  const forgotten = async (text: string) => {
    await Promise.all([cache.cached(counter, { id: 0 }), cache.cached(notes, { id: 0 })]);
    const before = cache.getCacheStatus().invalidations;
    await pool.query(text);
    await value(cache);
    return cache.getCacheStatus().invalidations - before;
  };
  expect(await forgotten("begin; update counters set value = 0; rollback")).toBe(0);
  expect(
    await forgotten("with written as (update counters_high set value = 5 returning 1) select 1 from written"),
  ).toBe(1);
  expect(await forgotten("delete from counters where id = 3")).toBe(2);
  expect(await forgotten("truncate notes")).toBe(1);
  expect(
    await forgotten(
      "set session_replication_role = replica; insert into notes values (1); reset session_replication_role",
    ),
  ).toBe(1);
});

test("a transaction announces a table once, however many statements and partitions it touched", async () => {
  const heard: unknown[] = [];
  await withClient(database.connection, {}, async (client) => {
    client.on("notification", ({ payload }) => heard.push(payload));
    await client.query("listen table_changed");
    await client.query(
      `begin; update counters set value = 1; update counters_low set value = 2; truncate counters; commit`,
    );
  });
  const { rows } = await database.client.query("select 'counters'::regclass::oid::text as oid");
  expect(heard).toEqual([rows[0].oid]);
});

test("a lost listener empties the cache, which serves nothing until it listens again", async () => {
  const cache = await make({ reconnectAfter: 60_000 });
  await value(cache);
  expect(cache.getCacheStatus()).toMatchObject({ state: "listening", entries: 1 });
  await killListener();
  await until(() => cache.getCacheStatus().state === "bypassing");
  await Promise.all([value(cache), value(cache)]);
  expect(cache.getCacheStatus()).toMatchObject({
    why: "terminating connection due to administrator command",
    entries: 0,
    bytes: 0,
    hits: 0,
    bypassed: 2,
  });
  const other = await make();
  await killListener();
  await until(() => other.getCacheStatus().state === "listening" && other.getCacheStatus().why === undefined);
  await value(other);
  await value(other);
  expect(other.getCacheStatus().hits).toBe(1);
});

test("a network that hangs between the listener and the server is noticed, by a write at the latest", async () => {
  const proxy = await startProxy(database.connection.port);
  const through = { ...database.connection, port: proxy.port };
  const cache = await make({ pool, heartbeat: 60_000, answerTimeout: 200 }, through);
  await value(cache);
  proxy.stalled = true;
  await pool.query(bump());
  expect(await value(cache)).toBe(1);
  expect(cache.getCacheStatus()).toMatchObject({ state: "bypassing", why: "it does not answer", entries: 0 });
  await cache.end();
  await proxy.close();
});

test("a table that is not watched wholly is not cached: a new partition, a view, a dropped trigger", async () => {
  await database.client.query(`create view all_counters as select * from counters; create materialized view kept as select 1;
    create table parent (id int); create table child () inherits (parent)`);
  const names = ["counters", "counters_low", "all_counters", "kept", "parent", "nowhere"];
  const states = async () => (await readWatched(database.client, names)).map(({ watched }) => watched);
  expect(await states()).toEqual([true, true, false, false, false, false]);
  const cache = await make();
  await value(cache);
  expect(cache.getCacheStatus()).toMatchObject({ misses: 1, bypassed: 0 });
  await database.client.query("create table counters_more partition of counters for values from (100) to (200)");
  expect(await states()).toEqual([false, false, false, false, false, false]);
  await until(() => cache.getCacheStatus().entries === 0);
  await value(cache);
  expect(cache.getCacheStatus()).toMatchObject({ misses: 1, bypassed: 1 });
  expect(await watchTables(database.client, ["counters"])).toBe(1);
  expect(await watchTables(database.client, ["counters"])).toBe(0);
  await until(async () => (await value(cache)) === 0 && cache.getCacheStatus().misses === 2);
  expect((await failure(watchTables(database.client, ["counters", "kept"]))).message).toBe(
    `kept cannot be watched: it is no table
  why: Only a table tells of its changes by a trigger; a view's tables do, and a materialized view changes without one.
  fix: Name tables, with their schema where it is not in the search path.`,
  );
});

test("reads ask the server only after a write: once, however many they are", async () => {
  const proxy = await startProxy(database.connection.port);
  const cache = await make({ pool, heartbeat: 60_000 }, { ...database.connection, port: proxy.port });
  await value(cache);
  /** How often the listener is asked for ten reads. */
  const asked = async (before: () => unknown) => {
    await before();
    const { sent } = proxy;
    await Promise.all(Array.from({ length: 10 }, () => value(cache)));
    return proxy.sent - sent;
  };
  expect(await asked(() => pool.query("select value from counters"))).toBe(0);
  expect(await asked(() => pool.query("update counters set value = 0"))).toBe(1);
  expect(await asked(() => pool.query("comment on table counters is 'counted'"))).toBeGreaterThan(0);
  expect(await asked(() => pool.query("select bump(0)"))).toBeGreaterThan(0);
  expect(await asked(() => cache.wrote())).toBeGreaterThan(0);
  expect(await asked(() => {})).toBe(0);
  await cache.end();
  await proxy.close();
});

test("a new partition is announced: one of the toolkit from the start, one made by hand when upkeep comes by", async () => {
  const watched = async () => (await readWatched(database.client, ["counters"]))[0]!.watched;
  await database.client.query(`create table counters_100 (like counters including all);
    ${announceLike("public.counters", "counters_100")}
    alter table counters attach partition counters_100 for values from (100) to (200)`);
  expect([await watched(), await watchNewPartitions(database.client)]).toEqual([true, 0]);
  const cache = await make({ heartbeat: 60_000 });
  expect(await value(cache)).toBe(0);
  // Nobody announces what is written to this one, and the pool that made it is heard.
  await pool.query(`alter table counters detach partition counters_low;
    create table counters_new partition of counters for values from (0) to (${counters / 2});
    insert into counters_new values (0, 7)`);
  expect([await value(cache), await watched()]).toEqual([7, false]);
  expect(await findNewPartitions(database.client)).toEqual([{ name: "counters", unwatched: 1 }]);
  expect([await watchNewPartitions(database.client), await watched()]).toEqual([1, true]);
  // And nothing is announced of a table like one that nobody watches.
  await database.client.query(`create table plain (n int); ${announceLike("plain", "plain")}`);
  expect((await readWatched(database.client, ["plain"]))[0]!.watched).toBe(false);
});

test("a role that may only read and write the table is enough", async () => {
  const role = `${database.connection.database}_application`;
  await database.client.query(
    `create role ${role} login password 'application'; grant select, update on counters to ${role}`,
  );
  try {
    const cache = await make({}, { ...database.connection, user: role, password: "application" });
    expect(await value(cache)).toBe(0);
    await pool.query(bump());
    expect([await value(cache), await value(cache)]).toEqual([1, 1]);
    expect(cache.getCacheStatus()).toMatchObject({ misses: 2, hits: 1, bypassed: 0, invalidations: 1 });
    await cache.end();
  } finally {
    await database.client.query(`drop owned by ${role}; drop role ${role}`);
  }
});

test("the command watches and unwatches tables, and says which are not watched", async () => {
  const { stdout, write } = { stdout: [] as string[], write: process.stdout.write };
  process.stdout.write = ((text: string) => Boolean(stdout.push(text))) as typeof write;
  try {
    expect(await command(["status", "counters"], database.connection)).toBe(0);
    expect(await command(["unwatch", "counters"], database.connection)).toBe(0);
    expect(await command(["status", "counters"], database.connection)).toBe(1);
    expect(await command(["watch", "counters", "--json"], database.connection)).toBe(0);
  } finally {
    process.stdout.write = write;
  }
  expect(stdout.slice(0, 3)).toEqual([
    "table     state\ncounters  watched\n",
    "table     state\ncounters  not watched: 3 without a trigger\n",
    "table     state\ncounters  not watched: 3 without a trigger\n",
  ]);
  expect(JSON.parse(stdout[3]!)).toMatchObject([{ name: "counters", watched: true, unwatched: 0 }]);
  expect((await failure(command(["clear"], database.connection))).message).toBe(
    "there is no `toolkit cache clear`\n  fix: Use one of status, watch, unwatch.",
  );
});

test("watching is no drift of the schema, and is undone without a trace on the tables", async () => {
  const watched = await fingerprint(database.client);
  expect(await unwatchTables(database.client, ["counters"])).toBe(3);
  expect(await fingerprint(database.client)).toBe(watched);
  const { rows } = await database.client.query("select from pg_trigger where not tgisinternal");
  expect(rows).toEqual([]);
});

test("results go when they are too many, too large or too old", async () => {
  const cache = await make({ maxBytes: 400, ttl: 50 });
  for (let id = 0; id < 4; id++) await value(cache, id);
  const { entries, bytes, evictions } = cache.getCacheStatus();
  expect([entries > 0, entries < 4, bytes <= 400, evictions > 0]).toEqual([true, true, true, true]);
  await new Promise((resolve) => setTimeout(resolve, 60));
  await value(cache, 3);
  expect(cache.getCacheStatus().hits).toBe(0);
  const small = await make({ maxEntryBytes: 10 });
  await value(small);
  expect(small.getCacheStatus()).toMatchObject({ entries: 0, misses: 1 });
  expect(freezeAndWeigh([{ a: 1, b: "four", c: null }])).toBe(24 + 16 + 8 + 24 + 16 + 8 + 16 + 8 + 32 + 8);
});

test("options that make no sense are refused by name", () => {
  expect(() => createCache(database.connection, { ttl: 0 })).toThrow(
    "the cache's ttl cannot be 0\n  fix: Give a whole number of ms from 1 to 2147483647, or leave it out for 60000.",
  );
});
