import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { TableHealth } from "../../../toolkit/monitor/tableHealth.ts";
import { readWidths } from "../../../toolkit/monitor/widths.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { about, ask } from "./support.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  // Each a transaction of its own, as vacuum wants it. Every tenth row stays, so that no page is empty for vacuum to
  // give back; and counters are written out before vacuum sets them.
  for (const sql of [
    "create table healthy (id int primary key, note text)",
    "insert into healthy select n, 'a note' from generate_series(1, 2000) n",
    "create table dead (id int primary key, note text) with (autovacuum_enabled = off)",
    "insert into dead select n, 'a note' from generate_series(1, 12000) n",
    "create table hollow (id int primary key, note text)",
    "insert into hollow select n, repeat('x', 200) from generate_series(1, 20000) n",
    "delete from hollow where id % 10 <> 0",
    "select pg_stat_force_next_flush()",
    "vacuum analyze",
    "update dead set note = 'another'",
  ])
    await database.client.query(sql);
});
afterAll(() => database.drop());

test("dead rows, old statistics and autovacuum switched off are found, each with the statement that helps", async () => {
  const answer = await ask(database.client, "dead-tuples");
  expect(about("public.healthy", answer)).toEqual([]);
  expect(about("public.dead", answer).map(({ what, fix }) => [what, fix])).toEqual([
    [
      expect.stringMatching(/^public\.dead has 12,000 dead rows, 50 % of all; it was vacuumed .* ago\.$/),
      "vacuum (analyze) public.dead; if they stay, `toolkit check transactions` names who holds them back.",
    ],
    [
      expect.stringMatching(
        /^12,000 rows of public\.dead changed since its statistics were made; it was analyzed .* ago\.$/,
      ),
      "analyze public.dead;",
    ],
    ["Autovacuum is switched off for public.dead.", "alter table public.dead reset (autovacuum_enabled);"],
  ]);
});

test("the estimate of bloat finds a table and an index that are mostly empty, within a tenth of the truth", async () => {
  const answer = await ask(database.client, "bloat", { "bloat.bloatBytes": 100_000 });
  expect(answer.findings.map(({ object }) => object)).toEqual(["public.hollow", "public.hollow_pkey"]);
  const row = answer.rows.find((one) => "object" in one && one.object === "public.hollow") as { bloatPercent: number };
  await database.client.query("create extension pgstattuple");
  const truth = await database.client.query("select free_percent from public.pgstattuple('public.hollow')");
  expect(Math.abs(row.bloatPercent - truth.rows[0].free_percent)).toBeLessThan(10);
});

test("a table's score says what it was lowered by, and a healthy one has a hundred points", async () => {
  const { rows, findings } = await ask(database.client, "table-health", { "table-health.bloatPages": 50 });
  const health = new Map((rows as TableHealth[]).map((row) => [row.object, row]));
  expect(health.get("public.healthy")).toEqual({ object: "public.healthy", score: 100, deductions: [] });
  expect(health.get("public.dead")).toMatchObject({
    score: 35,
    deductions: [
      { reason: "dead rows", points: 25, what: "50 % of its rows are dead", fix: "vacuum (analyze) public.dead;" },
      { reason: "old statistics", points: 20 },
      { reason: "autovacuum off", points: 20 },
    ],
  });
  expect(health.get("public.hollow")).toMatchObject({ deductions: [{ reason: "bloat" }] });
  expect(findings.map(({ severity, what }) => [severity, what])).toEqual([
    [
      "warning",
      "public.dead has 35 of 100 points: 50 % of its rows are dead (-25), the statistics of 1 table are old (-20), autovacuum leaves it out (-20).",
    ],
  ]);
});

test("sizes grow with the rows, and are held against the disk and the size of one piece", async () => {
  const { rows, findings } = await ask(database.client, "sizes", {
    "sizes.diskBytes": 1024 ** 2,
    "sizes.unpartitionedBytes": 4 * 1024 ** 2,
  });
  const exact = await database.client.query("select pg_table_size('hollow')::float8 as size");
  const hollow = rows.find((row) => "object" in row && row.object === "public.hollow") as { sizeBytes: number };
  expect(hollow.sizeBytes / exact.rows[0].size).toBeCloseTo(1, 1);
  expect(rows).toContainEqual(
    expect.objectContaining({ object: "public.dead", rows: 12_000, growthPercent: expect.closeTo(100) }),
  );
  expect(findings.map(({ severity, object, runbook }) => [severity, object, runbook])).toEqual([
    ["critical", "", "disk-nearly-full"],
    ["notice", "public.hollow", undefined],
  ]);
});

test("the widths of columns are the same by the view of what a role may select as by the table below it", async () => {
  const { client } = database;
  await client.query(`
    create table mixed (id int, gone text, note text, "by """ date);
    insert into mixed select n, 'x', case when n % 2 = 0 then 'note' end, 'today' from generate_series(1, 100) n;
    alter table mixed drop column gone; analyze mixed; alter table mixed add column unseen int`);
  const [byTable, byView] = [
    await readWidths(client, { readsStatistics: true }),
    await readWidths(client, { readsStatistics: false }),
  ];
  expect(byView).toEqual(byTable);
  const { rows } = await client.query("select 'mixed'::regclass::oid::int as oid");
  expect(byTable.get(rows[0].oid)).toEqual({ columns: { 1: 4, 3: 2.5, 4: 4 }, unknown: 1, nulls: true });
});
