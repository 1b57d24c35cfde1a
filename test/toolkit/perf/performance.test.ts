import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { connect } from "../../../toolkit/connection.ts";
import { readPlan } from "../../../toolkit/perf/plans.ts";
import { type CheckResult, type PerformanceResult, testPerformance } from "../../../toolkit/perf/run.ts";
import { readerOf, withReader } from "../../../toolkit/perf/session.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { pgbouncerInstalled, startPgBouncer } from "../../support/pgbouncer.ts";
import { prices, smallMarket } from "../queries/market.ts";

let database: TestDatabase;
let result: PerformanceResult;
const least = { duration: 1, connections: 2, say: () => {} };

/** What writes leave in the statistics of its tables. Those of the catalog are left out, which an autovacuum writes to as well. */
async function written({ client }: TestDatabase) {
  await client.query("select pg_stat_force_next_flush()");
  const { rows } = await client.query(
    "select sum(n_tup_ins) as inserted, sum(n_tup_upd) as updated, sum(n_tup_del) as deleted from pg_stat_user_tables",
  );
  return rows[0];
}

beforeAll(async () => {
  database = await smallMarket();
  await database.client.query(`
    insert into recommendations (stock_id, action, confidence) values (1, 'buy', 0.5);
    insert into api_usage (provider, endpoint, status, rate_limit) values ('one', '/', 200, 10)`);
  await database.client.query("vacuum analyze");
}, 60_000);
afterAll(() => database?.drop());

const check = ({ checks }: PerformanceResult, name: string): CheckResult => checks.find((one) => one.name === name)!;
const rowOf = (from: PerformanceResult, name: string, subject: string) =>
  check(from, name).rows.find((row) => row.subject === subject);

test("every check is asked, and nothing in the database changes", async () => {
  const before = await written(database);
  result = await testPerformance(database.connection, least);
  expect(await written(database)).toEqual(before);
  expect(result.checks.map(({ name }) => name)).toEqual([
    ...["indexes", "plans", "pruning", "large-data", "patterns", "times", "pool"],
  ]);
  expect(check(result, "indexes").rows.filter(({ verdict }) => verdict === "failed")).toEqual([]);
  expect(check(result, "pruning")).toMatchObject({ verdict: "passed" });
  expect(check(result, "pruning").rows.map(({ subject }) => subject)).toEqual([
    ...["public.price_history", "public.technical_indicators"],
  ]);
  expect(rowOf(result, "large-data", "price-export")!.figures.rows).toBe(prices.length);
  expect(check(result, "times").rows).toHaveLength(9);
  for (const { figures } of check(result, "times").rows)
    expect((figures.relative as number[]).length).toBeGreaterThan(4);
  expect(check(result, "pool").rows.map(({ subject }) => subject)).toEqual([
    ...["1 at once", "2 at once", "4 at once", "the knee"],
  ]);
  // The tables are too small for a difference, but the two forms must agree.
  expect(check(result, "patterns").rows.map(({ said }) => said)).not.toContain("The two give different answers.");
}, 60_000);

test("a session of the test cannot write", async () => {
  const write = withReader(database.connection, (read) => read((client) => client.query("delete from price_history")));
  await expect(write).rejects.toMatchObject({ code: "25006" });
});

test("what is slower than in the baseline beyond the noise fails, and what is not does not", async () => {
  const relative = (subject: string) => rowOf(result, "times", subject)!.figures.relative as number[];
  const times = new Map([
    ["latest-data", relative("latest-data").map((value) => value / 100)],
    ["price-range", relative("price-range").map((value) => value * 100)],
  ]);
  const baseline = { pooled: false, times };
  const again = await testPerformance(database.connection, { ...least, baseline });
  expect(rowOf(again, "times", "latest-data")).toMatchObject({ verdict: "failed", figures: { change: "slower" } });
  expect(rowOf(again, "times", "price-range")).toMatchObject({ verdict: "passed", figures: { change: "faster" } });
  expect(rowOf(again, "times", "screener")).toMatchObject({
    verdict: "skipped",
    said: "The baseline does not have it.",
  });
  expect([check(again, "times").verdict, again.passed]).toEqual(["failed", false]);
}, 60_000);

(pgbouncerInstalled ? test : test.skip)(
  "through a PgBouncer in transaction mode every check is asked, says where it differs, and leaves nothing in its backends",
  async () => {
    const bouncer = await startPgBouncer(database.connection);
    try {
      const said: string[] = [];
      const times = new Map(check(result, "times").rows.map(({ subject }) => [subject, [1]]));
      const found = await testPerformance(bouncer.connection, {
        ...least,
        baseline: { pooled: false, times },
        say: (line) => said.push(line),
      });
      expect(said).toContain(
        "a connection pooler stands before the server: every query runs in a transaction of its own and is planned anew, " +
          "so times compare with those that were measured in the same way",
      );
      expect(found.load.pooled).toBe(true);
      const judged = ({ checks }: PerformanceResult) =>
        checks.map(({ name, rows }) => [name, rows.map(({ subject }) => subject)]);
      expect(judged(found)).toEqual(judged(result));
      const verdicts = ({ checks }: PerformanceResult) =>
        checks.slice(0, 4).map(({ rows }) => rows.map(({ subject, verdict }) => [subject, verdict]));
      expect(verdicts(found)).toEqual(verdicts(result));
      expect(rowOf(found, "times", "screener")).toMatchObject({
        verdict: "skipped",
        said: "The baseline was measured without a connection pooler.",
      });
      expect(rowOf(found, "pool", "the knee")!.said).toMatch(
        /Each request was a transaction, for a connection pooler stands before the server\.$/,
      );
      for (const { said: failure } of check(found, "pool").rows) expect(failure ?? "").not.toMatch(/requests failed/);

      // In a transaction at the same time, so that each meets one of the two backends.
      const others = [await connect(bouncer.connection), await connect(bouncer.connection)];
      for (const other of others) await other.query("begin");
      for (const other of others) {
        const { rows } = await other.query(`
          select current_setting('default_transaction_read_only') as read_only, current_setting('statement_timeout') as timeout,
                 current_setting('plan_cache_mode') as mode,
                 (select count(*)::int from pg_prepared_statements where from_sql) as prepared`);
        expect(rows).toEqual([{ read_only: "off", timeout: "0", mode: "auto", prepared: 0 }]);
      }
      for (const other of others) await other.end();
    } finally {
      await bouncer.stop();
    }
  },
  60_000,
);

test("an index that is missing or invalid, and partitions that are not left out, are found", async () => {
  const broken = await createDatabase({ template: "head" });
  try {
    const { client, connection } = broken;
    await client.query(`
      insert into api_usage (provider, endpoint, status, rate_limit) values ('one', '/', 200, 10);
      drop index api_usage_rate_limit_idx;
      update pg_index set indisvalid = false where indexrelid = 'api_usage_called_at_cost_idx'::regclass;
      select ensure_partitions('price_history', '2024-01-01', '2024-03-31')`);
    await client.query(
      "do $$ begin execute format('alter database %I set enable_partition_pruning = off', current_database()); end $$",
    );
    const found = await testPerformance(connection, least);
    expect(check(found, "indexes")).toMatchObject({ verdict: "failed" });
    expect(check(found, "indexes").rows).toMatchObject([
      { verdict: "failed", said: "Not valid, or not complete: public.api_usage_called_at_cost_idx." },
      { subject: "api_usage_called_at_cost_idx", said: "It is not valid, or lacks partitions." },
      { subject: "api_usage_rate_limit_idx", said: "It does not exist." },
    ]);
    expect(rowOf(found, "pruning", "public.price_history")).toMatchObject({
      verdict: "failed",
      said: "Not for: static, prepared, join.",
    });
    expect(found.passed).toBe(false);
  } finally {
    await broken.drop();
  }
}, 60_000);

test("a plan tells what it read: the index, or the whole table, and what went to disk", async () => {
  const { client } = database;
  await client.query(`
    create table readings as select n, n % 7 as kind, repeat('x', 100) as filler from generate_series(1, 20000) as n;
    create index readings_n_idx on readings (n);
    analyze readings;
    set work_mem = '64kB'`);
  const [few, all] = [
    { text: "select * from readings where n = any ($1::int[])", values: [[3, 4]] },
    { text: "select * from readings where $1::text is null order by kind", values: [null] },
  ];
  const read = readerOf(client);
  for (const mode of ["force_custom_plan", "force_generic_plan"] as const) {
    expect(await readPlan(read, few!, mode)).toMatchObject({
      indexes: ["readings_n_idx"],
      scanned: [],
      onDisk: false,
    });
    expect(await readPlan(read, all!, mode)).toMatchObject({ indexes: [], scanned: ["readings"], onDisk: true });
  }
});
