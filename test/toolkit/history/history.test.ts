import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { connect } from "../../../toolkit/connection.ts";
import { forecast } from "../../../toolkit/history/capacity.ts";
import { makeDays } from "../../../toolkit/history/days.ts";
import { readDeploys } from "../../../toolkit/history/deploys.ts";
import { sentence } from "../../../toolkit/history/forecastCommand.ts";
import { pruneHistory } from "../../../toolkit/history/prune.ts";
import { readSeries } from "../../../toolkit/history/read.ts";
import { recordSnapshot, store } from "../../../toolkit/history/record.ts";
import { keepRecording, recordOnce } from "../../../toolkit/history/recorder.ts";
import { findRegressions } from "../../../toolkit/history/regressions.ts";
import { lines } from "../../../toolkit/history/regressionsCommand.ts";
import { rollUp } from "../../../toolkit/history/rollUp.ts";
import { ensureHistory } from "../../../toolkit/history/schema.ts";
import { readTrends } from "../../../toolkit/history/trends.ts";
import { schemaLines } from "../../../toolkit/migrate/fingerprint.ts";
import { findTables } from "../../../toolkit/partitions/tables.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { about, ask } from "../monitor/support.ts";

const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];
const made: TestDatabase[] = [];
afterAll(() => Promise.all(made.map((database) => database.drop())));

async function database(template: "empty" | "head" = "empty"): Promise<TestDatabase> {
  const one = await createDatabase({ template });
  made.push(one);
  return one;
}

/** A database with the history's schema, and with partitions for the past days, but for the last ones, and the past month. */
async function withPast(days: number, until = 0): Promise<TestDatabase> {
  const one = await database();
  await ensureHistory(one.client);
  const utc = "now() at time zone 'UTC'";
  const past = { sample: ["day", days, until], sample_5_minutes: ["day", days, until], sample_hour: ["month", 1, 0] };
  for (const [tier, [unit, length, end]] of Object.entries(past))
    await one.client.query(`
      do $$ begin
        execute format('create table monitoring.${tier}_past partition of monitoring.${tier} for values from (%L) to (%L)',
          (date_trunc('${unit}', ${utc}) - interval '${length} ${unit}') || '+00',
          (date_trunc('${unit}', ${utc}) - interval '${end} ${unit}') || '+00');
      end $$`);
  await makeDays(one.client);
  return one;
}

let head: TestDatabase;
beforeAll(async () => {
  head = await database("head");
});

test("a record holds the numbers of a snapshot, in a schema that is no part of the application's", async () => {
  const { client, connection } = head;
  const before = await schemaLines(client);
  const tables = await findTables(client);
  const record = await recordOnce(connection, {});
  expect(record.numbers).toBeGreaterThan(40);
  expect(await schemaLines(client)).toEqual(before);
  expect(await findTables(client)).toEqual(tables);
  expect(about("monitoring.sample", await ask(client, "partitions"))).toEqual([]);
  const { rows } = await client.query(
    `select metric, object, value from monitoring.metric
     where metric in ('connections.used', 'connections.limit', 'size.database', 'table.bytes')
       and (object in ('', 'public.stocks')) order by metric`,
  );
  expect(rows).toEqual([
    { metric: "connections.limit", object: "", value: 197 },
    { metric: "connections.used", object: "", value: expect.any(Number) },
    { metric: "size.database", object: "", value: expect.any(Number) },
    { metric: "table.bytes", object: "public.stocks", value: expect.any(Number) },
  ]);
  const { rows: days } = await client.query(
    "select count(*)::int as days from pg_inherits where inhparent = 'monitoring.sample'::regclass",
  );
  expect(days).toEqual([{ days: 5 }]);
});

test("a second recorder is refused, and a killed one leaves nothing in the way", async () => {
  const { connection } = head;
  const stop = new AbortController();
  const records: string[] = [];
  let heard = () => {};
  const twice = new Promise<void>((done) => {
    heard = () => void (records.length >= 2 && done());
  });
  const said: string[] = [];
  const recording = keepRecording(connection, {
    ...{ interval: 50, signal: stop.signal, say: (line) => said.push(line) },
    recorded: ({ takenAt }) => {
      records.push(takenAt);
      heard();
    },
  });
  await twice;
  await expect(recordOnce(connection, {})).rejects.toThrow(
    [
      "this database is recorded already",
      "  why: Another session of `toolkit record` is at it.",
      "  fix: Leave it to that one, or end it first: its application_name in pg_stat_activity is record.",
    ].join("\n"),
  );
  // The recorder itself goes on after its session was ended.
  const count = records.length;
  const again = new Promise<void>((done) => {
    heard = () => void (said.length > 0 && records.length > count && done());
  });
  await head.client.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'record' and datname = current_database()",
  );
  await again;
  stop.abort();
  await recording;
  expect(said[0]).toMatch(/^not recorded: .*; again in 1 s$/);
  expect((await recordOnce(connection, {})).numbers).toBeGreaterThan(0);
});

test("a schema of the same name is not taken over", async () => {
  const { client } = await database();
  await client.query("create schema monitoring");
  await expect(ensureHistory(client)).rejects.toThrow(
    "the schema monitoring is there already, and holds something else",
  );
});

test("coarser samples keep the mean and the largest of a number, and the last of a counter, once", async () => {
  const { client } = await withPast(3);
  const start = Math.floor((Date.now() - 2 * day) / hour) * hour;
  for (let n = 1; n <= 24; n++)
    await store(
      client,
      [
        { metric: "connections.used", object: "", value: n },
        { metric: "wal.bytes", object: "", value: 100 * n },
      ],
      new Date(start + n * 5 * minute),
    );
  await store(client, [{ metric: "connections.used", object: "", value: 99 }], new Date(start + 90_000));
  const other = await connect(made.at(-1)!.connection);
  await Promise.all([rollUp(client), rollUp(other)]);
  await other.end();
  const { rows } = await client.query(
    `select metric, extract(epoch from taken_at)::float8 * 1000 - $1 as after, value, most from monitoring.metric
     where tier = 'sample_hour' order by metric, taken_at`,
    [start],
  );
  // The first hour's five minutes: 50 (99 and 1), then 2 to 12.
  expect(rows).toEqual([
    { metric: "connections.used", after: hour, value: (50 + 77) / 12, most: 99 },
    { metric: "connections.used", after: 2 * hour, value: 18.5, most: 24 },
    { metric: "wal.bytes", after: hour, value: 1200, most: 1200 },
    { metric: "wal.bytes", after: 2 * hour, value: 2400, most: 2400 },
  ]);
  // Read coarsely, it is whole, and nothing comes twice.
  const [used] = await readSeries(client, { metrics: ["connections.used"], since: start - 20 * day });
  expect(used!.points.map(({ at, most }) => [at - start, most])).toEqual([
    [hour, 99],
    [2 * hour, 24],
  ]);
});

test("a counter that was reset counts on, and is shown by the second", async () => {
  const { client } = await withPast(2);
  const now = Date.now();
  for (const [n, value] of [600, 1200, 60].entries())
    await store(client, [{ metric: "wal.bytes", object: "", value }], new Date(now - (3 - n) * minute));
  const [wal] = await readTrends(client, { metrics: ["wal.bytes"], since: now - hour });
  expect(wal).toMatchObject({ unit: "bytes/s", first: 10, last: 1, least: 1, most: 10, perDay: null });
});

test("old samples go when the next tier holds them, by the table's word or by the caller's", async () => {
  const { client } = await withPast(6, 1);
  const old = new Date(Date.now() - 5 * day);
  await store(client, [{ metric: "connections.used", object: "", value: 7 }], old);
  await client.query("update monitoring.policy set keep = '1 hour' where tier = 'sample'");
  expect(await pruneHistory(client, {}, { dryRun: true })).toEqual({ dropped: [], left: [], forgotten: 0 });
  const reader = await connect({ ...made.at(-1)!.connection });
  await reader.query("begin; select from monitoring.sample limit 1");
  expect(await pruneHistory(client)).toEqual({ dropped: [], left: ["sample_past"], forgotten: 0 });
  await reader.end();
  expect(await pruneHistory(client)).toEqual({ dropped: ["sample_past"], left: [], forgotten: 0 });
  const kept = await client.query("select tier, value from monitoring.metric order by tier");
  expect(kept.rows).toEqual([
    { tier: "sample_5_minutes", value: 7 },
    { tier: "sample_hour", value: 7 },
  ]);
  expect((await pruneHistory(client, { sample_5_minutes: "1 day" })).dropped).toEqual(["sample_5_minutes_past"]);
});

test("the forecast says when the disk is full, and what it cannot tell", async () => {
  const { client } = await withPast(6);
  const start = Date.now() - 5 * day;
  for (let n = 0; n <= 120; n++)
    await store(
      client,
      [
        { metric: "size.databases", object: "", value: 2 ** 30 * (100 + n / 24) },
        { metric: "connections.used", object: "", value: 12 + (n % 3) },
        { metric: "connections.limit", object: "", value: 97 },
        ...(n > 110 ? [{ metric: "sequence.usedPercent", object: "public.s", value: 50 + n }] : []),
      ],
      new Date(start + n * hour),
    );
  const found = await forecast(client, { since: start - day, diskBytes: 2 ** 30 * 115 });
  expect(found.map(({ resource, state }) => [resource, state])).toEqual([
    ["disk", "growing"],
    ["connections", "steady"],
    ["sequence", "reached"],
  ]);
  expect(found[0]!.earliestDays!).toBeGreaterThan(9.5);
  expect(found[0]!.latestDays!).toBeLessThan(10.5);
  const date = (days: number) => new Date(start + 5 * day + days * day).toISOString().slice(0, 7);
  expect(sentence(found[0]!)).toMatch(
    /^105 GB now of 115 GB, 1 GB a day in 5\.0 days \(1 GB to 1 GB\); it runs out between /,
  );
  expect(found[0]!.at!.slice(0, 7)).toBe(date(10));
  expect(sentence(found[1]!)).toBe(
    "12 sessions now of 97 sessions, and no growth that can be told from chance in 5.0 days.",
  );
  const [unknown] = await forecast(client, { since: start - day });
  expect(sentence(unknown!)).toMatch(/; how much there is, is not known: add --disk\.$/);
  const [short] = await forecast(client, { since: Date.now() - day, diskBytes: 2 ** 40 });
  expect(sentence(short!)).toMatch(
    /^105 GB now of 1 TB; too little history to foretell from: 1\.0 days, and it takes two\.$/,
  );
});

test("a statement that is slower since a deploy is named with it, and one that is not is left alone", async () => {
  const { client } = await withPast(2);
  const deployed = Date.now() - 12 * hour;
  await client.query(`create schema deploy;
    create table deploy.migration (name text, started_at timestamptz, finished_at timestamptz)`);
  await client.query("insert into deploy.migration values ('0007_no_index', to_timestamp($1), to_timestamp($1 + 5))", [
    deployed / 1000,
  ]);
  const totals = { slower: 0, same: 0, rare: 0 };
  for (let n = -30; n <= 30; n++) {
    if (n === 0) continue;
    const noise = (n * n) % 7;
    totals.slower += 10 * (n < 0 ? 2 + noise / 10 : 8 + noise);
    totals.same += 10 * (3 + noise);
    totals.rare += n < 0 ? 1 : 50;
    const calls = n < 0 ? n + 31 : n + 30;
    // The table was made anew: from then on the same text has another number.
    const [id, since] = n < 0 ? ["11", 0] : ["12", 30];
    const number = (object: string, label: string, count: number, milliseconds: number) => [
      { metric: "statement.calls", object, label, value: count },
      { metric: "statement.seconds", object, label, value: milliseconds / 1000 },
    ];
    await store(
      client,
      [
        ...number(id, "select $1", 10 * (calls - since), totals.slower),
        ...number("2", "select $1, $2", 10 * calls, totals.same),
        ...number("3", "select 3", Math.floor(calls / 10), totals.rare),
      ],
      new Date(deployed + n * 5 * minute),
    );
  }
  const found = await findRegressions(client, Date.now() - day);
  expect(found.deploys.map(({ migrations }) => migrations)).toEqual([["0007_no_index"]]);
  expect(found.compared).toBe(2);
  expect(found.regressions).toHaveLength(1);
  const [slower] = found.regressions;
  expect(slower).toMatchObject({ queryIds: ["11", "12"], query: "select $1", callsBefore: 290, callsAfter: 290 });
  expect(slower!.times).toBeCloseTo(10 / 2.2, 0);
  expect(slower!.chance).toBeLessThan(1e-6);
  const when = new Date(deployed + 5000).toISOString().slice(0, 16).replace("T", " ");
  expect(lines(slower!)[0]).toMatch(
    new RegExp(
      `^slower {2}since 0007_no_index at ${when} UTC: [\\d.]+ ms a call, [\\d.]+ times the [\\d.]+ ms before: select \\$1$`,
    ),
  );
});

test("migrations that ran together are one deploy", async () => {
  const [deploy, ...others] = await readDeploys(head.client, 0);
  expect(others).toEqual([]);
  expect(deploy).toMatchObject({ undone: false, migrations: expect.arrayContaining(["0001_initial_schema"]) });
  expect(deploy!.finishedAt).toBeGreaterThanOrEqual(deploy!.startedAt);
});

test("between whole records, what there is for each table is left out", async () => {
  const { client } = head;
  const { takenAt, numbers } = await recordSnapshot(client, { many: false });
  expect(numbers).toBeGreaterThan(15);
  const { rows } = await client.query(
    "select metric from monitoring.metric where taken_at >= $1 and (metric like 'table.%' or metric like 'sequence.%')",
    [takenAt],
  );
  expect(rows).toEqual([]);
});
