import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { Cache } from "../../../toolkit/cache/cache.ts";
import type { Connection } from "../../../toolkit/connection.ts";
import { withClient } from "../../../toolkit/connection.ts";
import { createPool } from "../../../toolkit/pool/pool.ts";
import { whole } from "../../../toolkit/queries/options.ts";
import { defineQuery } from "../../../toolkit/queries/query.ts";
import { createRouter } from "../../../toolkit/replicas/router.ts";

export const counters = 4;

/** The value of one counter; slow enough for commits to come while it runs. */
export const counter = defineQuery<{ value: number }>()({
  name: "counter",
  summary: "the value of one counter",
  options: { id: whole({ about: "which", least: 0, most: counters - 1, default: 0 }) },
  tables: ["counters"],
  sample: "select 0 as id",
  expectation: { indexes: [], partitions: 0, buffers: 10 },
  statement: ({ id }) => ({
    text: "select value from counters where id = $1 and pg_sleep(0.002)::text is not null",
    values: [id],
  }),
});

export async function createCounters(client: pg.ClientBase): Promise<void> {
  await client.query(`
    create table counters (id int primary key, value int not null) partition by range (id);
    create table counters_low partition of counters for values from (0) to (${counters / 2});
    create table counters_high partition of counters for values from (${counters / 2}) to (${counters});
    insert into counters select id, 0 from generate_series(0, ${counters - 1}) id;
    create function bump(which int) returns table (value int) language sql as
      'update counters set value = counters.value + 1 where id = which returning counters.value'`);
}

/** What a checker saw. */
export interface Seen {
  reads: number;
  writes: number;
  /** Reads that began after a write was acknowledged in this process, and saw what was there before it. */
  stale: number;
}

/**
 * Writes and reads for a while. Counters only grow, so a reader knows the least that it may see: what was acknowledged
 * when it began.
 * @param during what happens in the middle
 */
export async function lookForStaleReads(
  cache: Cache,
  connection: Connection,
  { milliseconds, during = async () => {} }: { milliseconds: number; during?: () => Promise<void> },
): Promise<Seen> {
  const seen: Seen = { reads: 0, writes: 0, stale: 0 };
  const acknowledged = new Array<number>(counters).fill(0);
  // The cache has a pool of its own, and nobody tells it of these.
  const pool = createPool(connection, { min: 4 });
  const router = createRouter({ primary: { connection }, replicas: [], pool: { min: 1 } });
  await Promise.all([pool.ready(), router.ready()]);
  const end = Date.now() + milliseconds;
  let turn = 0;
  /** By every way that this project offers to write, to the parent and to a partition. */
  const ways: ((id: number, update: string) => Promise<void>)[] = [
    async (id, update) => acknowledge(id, await pool.query(update)),
    async (id, update) => acknowledge(id, await pool.transaction((client) => client.query(update))),
    (id, update) => pool.withClient(async (client) => acknowledge(id, await client.query(update))),
    async (id, update) => acknowledge(id, await router.write(update)),
    async (id, update) => acknowledge(id, await router.transaction((client) => client.query(update))),
    async (id, update) => acknowledge(id, await pool.query(`with written as (${update}) select value from written`)),
    async (id) => acknowledge(id, await pool.query("select value from bump($1)", [id])),
  ];
  async function write(): Promise<void> {
    while (Date.now() < end) {
      const way = turn++;
      const id = way % counters;
      const table = way % 3 > 0 ? "counters" : id < counters / 2 ? "counters_low" : "counters_high";
      await ways[way % ways.length]!(id, `update ${table} set value = value + 1 where id = ${id} returning value`);
      // Long enough for a wrong result to be asked for before the next change hides it.
      await sleep((way % 5) * 8);
    }
  }
  function acknowledge(id: number, { rows }: pg.QueryResult): void {
    seen.writes += 1;
    acknowledged[id] = Math.max(acknowledged[id]!, rows[0].value);
  }
  async function read(first: number): Promise<void> {
    for (let n = first; Date.now() < end; n++) {
      const id = n % counters;
      const least = acknowledged[id]!;
      const { rows } = await cache.cached(counter, { id });
      seen.reads += 1;
      if (rows[0]!.value < least) seen.stale += 1;
      // A turn of the event loop, so that a cache that only hits lets others in.
      await sleep(0);
    }
  }
  /** Somebody else's process: nobody here is told when its writes are acknowledged. */
  async function writeElsewhere(): Promise<void> {
    await withClient(connection, {}, async (client) => {
      while (Date.now() < end) {
        await client.query(`update counters set value = value + 1 where id = ${Math.floor(Math.random() * counters)}`);
        await sleep(30);
      }
    });
  }
  await Promise.all([
    ...[1, 2, 3].map(write),
    ...[0, 1, 2, 3, 4, 5].map(read),
    writeElsewhere(),
    sleep(milliseconds / 2).then(during),
  ]);
  await Promise.all([pool.end(), router.end()]);
  return seen;
}
