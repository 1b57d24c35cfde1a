import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { about, ask } from "./support.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  await database.client.query(`
    create table parents (id int primary key);
    create unique index z_second_key on parents (id);
    create table children (id int primary key, parent int references parents, kind int, note text, at timestamptz);
    create index children_kind on children (kind);
    create index children_kind_note on children (kind, note);
    create index children_kind_down on children (kind desc);
    create index children_some on children (kind) where note is null;
    create unique index children_kind_once on children (kind, id);
    create index children_lower on children (lower(note));
    create index children_upper on children (upper(note));
    create table months (parent int references parents, at date) partition by range (at);
    create table months_1 partition of months for values from ('2020-01-01') to ('2020-02-01');
    create table months_2 partition of months for values from ('2020-02-01') to ('2020-03-01');
    create index months_at on months (at);
    insert into parents select generate_series(1, 10);
    insert into children select n, 1, n, case when n > 10 then 'x' end from generate_series(1, 500) n;
    insert into months select 1, '2020-01-15' from generate_series(1, 300)`);
  await database.client.query("create unique index concurrently broken on children (parent)").catch(() => {});
  await database.client.query("vacuum analyze");
});
afterAll(() => database.drop());

const limits = { "index-usage.unusedBytes": 1, "index-usage.unusedDays": 0, "index-usage.foreignKeyRows": 100 };

test("an index that repeats another is found, and one in another order, of some rows, or unique is not taken for it", async () => {
  const { findings } = await ask(database.client, "index-usage", limits);
  const twins = findings.filter(({ what }) => what.includes("brings nothing"));
  // Not the key itself, on which references rest.
  expect(twins.map(({ object }) => object)).toEqual(["public.children_kind", "public.z_second_key"]);
  expect(about("public.children_kind", { findings })).toEqual([
    {
      severity: "notice",
      object: "public.children_kind",
      what: "The index public.children_kind (32 kB) brings nothing that public.children_kind_note does not.",
      why: "Every write keeps both up to date, and both take memory.",
      fix: "drop index concurrently public.children_kind;",
    },
  ]);
});

test("an index that a failed build left invalid is found, and the runbook named", async () => {
  expect(about("public.broken", await ask(database.client, "index-usage", limits))).toEqual([
    {
      severity: "warning",
      object: "public.broken",
      what: "The index public.broken is invalid, and nobody is building it.",
      why: "Every write keeps it up to date, and no query uses it.",
      fix: "reindex index concurrently public.broken; or drop it.",
      runbook: "failed-concurrent-index",
    },
  ]);
});

test("an index that nobody scanned is found once counters are old enough, and its partitions are one index", async () => {
  await database.client.query("set enable_seqscan = off; select from children where lower(note) = 'x' limit 1");
  const unused = async (over = limits) =>
    (await ask(database.client, "index-usage", over)).findings
      .filter(({ what }) => what.includes("was not used once"))
      .map(({ object }) => object);
  expect(await unused()).toEqual([
    "public.children_kind_down",
    "public.children_kind_note",
    "public.children_some",
    "public.children_upper",
    "public.months_at",
  ]);
  expect(await unused({ ...limits, "index-usage.unusedDays": 7 })).toEqual([]);
});

test("a foreign key without an index is found, also of a partitioned table, until it has one that is valid", async () => {
  const bare = async () =>
    (await ask(database.client, "index-usage", limits)).findings
      .filter(({ what }) => what.startsWith("The foreign key"))
      .map(({ object, fix }) => [object, fix]);
  expect(await bare()).toEqual([
    ["public.children", "create index concurrently on public.children (parent);"],
    ["public.months", expect.stringMatching(/^create index on public\.months \(parent\);/)],
  ]);
  await database.client.query("create index on children (parent, id)");
  expect(await bare()).toHaveLength(1);
});
