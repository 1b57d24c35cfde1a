import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { all, run, stepsOf } from "./support.ts";

let database: TestDatabase;
const only = ["freeze", "vacuum", "analyze", "leftovers", "reindex"];
const limits = { "bloat.bloatBytes": 100_000 };

beforeAll(async () => {
  database = await createDatabase();
  await all(database.client, [
    "create table healthy (id int primary key)",
    "insert into healthy select generate_series(1, 2000)",
    'create table "De""ad" (id int, note text) with (autovacuum_enabled = off)',
    `insert into "De""ad" select n, 'a note' from generate_series(1, 12000) n`,
    "create table stale (id int) with (autovacuum_enabled = off)",
    "create table parted (id int) partition by range (id)",
    "create table parted_1 partition of parted for values from (0) to (100000) with (autovacuum_enabled = off)",
    "create table hollow (id int, note text) with (autovacuum_enabled = off)",
    "insert into hollow select n, 'a note' from generate_series(1, 20000) n",
    "create index hollow_id on hollow (id)",
    "create index hollow_id_ccnew on hollow (id)",
    "select pg_stat_force_next_flush()",
    "vacuum analyze",
    "delete from hollow where id % 10 <> 0",
    "select pg_stat_force_next_flush()",
    "vacuum analyze hollow",
    "update pg_index set indisvalid = false where indexrelid = 'hollow_id_ccnew'::regclass",
    `update "De""ad" set note = 'another'`,
    "insert into stale select generate_series(1, 11000)",
    "insert into parted select generate_series(1, 12000)",
    "select pg_stat_force_next_flush()",
  ]);
});
afterAll(() => database.drop());

/** When vacuum and analyze came to the tables, and the files of the indexes. */
async function seen() {
  const { rows } = await database.client.query(`
    select relname, vacuum_count, analyze_count, pg_relation_filenode('hollow_id') as file, n_dead_tup as dead
    from pg_stat_user_tables where schemaname = 'public' order by relname`);
  return new Map(rows.map(({ relname, ...row }) => [relname, row]));
}

const expected = [
  ["vacuum", 'public."De""ad"'],
  ["analyze", "public.parted"],
  ["analyze", "public.stale"],
  ["leftovers", "public.hollow_id_ccnew"],
  ["reindex", "public.hollow_id"],
];

test("a dry run lists what would be done, why and in which order, and changes nothing", async () => {
  const before = await seen();
  const { steps } = await run(database, { only, limits, dryRun: true });
  const [dead] = steps;
  expect(dead).toEqual({
    ...{ task: "vacuum", object: 'public."De""ad"', why: "12,000 dead rows, 50 % of all" },
    ...{ does: 'vacuum (analyze, skip_locked) public."De""ad"', result: "planned", seconds: 0 },
    costBytes: expect.any(Number),
  });
  // A vacuum that removes rows makes statistics anew where they are old: that is not listed twice.
  expect(steps.map(({ task, object }) => [task, object])).toEqual(expected);
  expect(await seen()).toEqual(before);
});

test("what needs it is cured, what needs nothing is not touched, and a second run finds nothing", async () => {
  const before = await seen();
  expect(stepsOf(await run(database, { only, limits }))).toEqual(expected.map((step) => [...step, "done"]));
  const after = await seen();
  expect(after.get('De"ad')!.dead).toBe("0");
  expect(after.get("healthy")).toMatchObject({ vacuum_count: before.get("healthy")!.vacuum_count });
  expect(after.get("healthy")).toMatchObject({ analyze_count: before.get("healthy")!.analyze_count });
  expect(after.get("hollow")!.vacuum_count).toBe(before.get("hollow")!.vacuum_count);
  expect(after.get("hollow")!.file).not.toBe(before.get("hollow")!.file);
  const { rows } = await database.client.query(`
    select (select reltuples from pg_class where relname = 'parted') as parted, to_regclass('hollow_id_ccnew') as leftover,
           (select indisvalid from pg_index where indexrelid = 'hollow_id'::regclass) as valid`);
  expect(rows[0]).toEqual({ parted: 12000, leftover: null, valid: true });
  expect((await run(database, { only, limits })).steps).toEqual([]);
});

test("an index that was rebuilt is not rebuilt again as long as it does not grow, whatever the estimate says", async () => {
  const suspicious = { "bloat.bloatBytes": 1, "bloat.bloatPercent": 1 };
  const first = await run(database, { only: ["reindex"], limits: suspicious, dryRun: true });
  expect(first.steps.map(({ object }) => object)).not.toContain("public.hollow_id");
  await database.client.query("delete from deploy.rebuilt_index");
  const forgotten = await run(database, { only: ["reindex"], limits: suspicious, dryRun: true });
  expect(forgotten.steps.map(({ object }) => object)).toContain("public.hollow_id");
});

test("old transaction ids are frozen, the oldest first", async () => {
  await all(database.client, ["create table old (id int)", "insert into old values (1)", "vacuum old"]);
  const age = async () =>
    (await database.client.query("select age(relfrozenxid) as age from pg_class where relname = 'old'")).rows[0].age;
  for (let n = 0; n < 20; n++) await database.client.query("select pg_current_xact_id()");
  const before = await age();
  const { steps } = await run(database, { only: ["freeze"], limits: { "wraparound.age": before } });
  expect(steps.find(({ object }) => object === "public.old")).toMatchObject({
    ...{ why: expect.stringMatching(/^its oldest id is \d+ old$/), result: "done" },
    does: "vacuum (freeze, skip_locked) public.old",
  });
  expect(await age()).toBeLessThan(before);
});

test("a table that somebody has locked is left out, and the others are done", async () => {
  await all(database.client, ["begin", 'lock table "De""ad" in access exclusive mode']);
  try {
    const { steps } = await run(database, {
      only: ["vacuum"],
      limits: { "dead-tuples.deadRows": 0, "dead-tuples.deadPercent": 0 },
    });
    expect(steps.find(({ object }) => object === 'public."De""ad"')).toMatchObject({
      ...{ result: "skipped", note: "somebody else has the lock" },
    });
    expect(steps.find(({ object }) => object === "public.healthy")).toMatchObject({ result: "done" });
  } finally {
    await database.client.query("rollback");
  }
});

test("a task that there is not is refused", async () => {
  expect(() => run(database, { only: ["vacum"] })).toThrow(
    "there is no task vacum\n  fix: Use some of partitions, announcements, freeze,",
  );
});
