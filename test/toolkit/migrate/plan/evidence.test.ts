import { beforeAll, expect, test } from "@jest/globals";
import type { AssessedStatement, Assessment } from "../../../../toolkit/migrate/assess.ts";
import { describeLock, describeWork, pendingLine } from "../../../../toolkit/migrate/hazards/describe.ts";
import { blockedBy, lockModes, modeOf } from "../../../../toolkit/migrate/locks/modes.ts";
import { alone, sql } from "../support.ts";
import { assessNext, fill, makeShop, shortHazards, tables } from "./support.ts";

const partitions = `
  create table events (at date not null, kind int) partition by range (at);
  create table events_2020 partition of events for values from ('2020-01-01') to ('2021-01-01');
  create table events_2021 partition of events for values from ('2021-01-01') to ('2022-01-01')`;

/** The pending migrations, and for each statement what is to be seen on the copy. */
const pending: [string, string, string[]][] = [
  [
    "add_column.sql",
    "alter table orders add column paid date",
    ["access exclusive on orders (blocks reads and writes)"],
  ],
  [
    "change_type.sql",
    "alter table orders alter column id type bigint",
    [
      "access exclusive on orders (blocks reads and writes)",
      "writes orders anew",
      "builds the index orders_by_placed on orders",
    ],
  ],
  [
    "longer.sql",
    "alter table orders alter column note type varchar(20)",
    ["access exclusive on orders (blocks reads and writes)"],
  ],
  [
    "index.sql",
    "create index orders_by_note on orders (note)",
    ["share on orders (blocks writes)", "builds the index orders_by_note on orders"],
  ],
  [
    "index_alone.js",
    "create index concurrently orders_by_id on orders (id)",
    ["share update exclusive on orders (blocks neither reads nor writes)", "builds the index orders_by_id on orders"],
  ],
  [
    "reindex.js",
    "reindex index concurrently orders_by_placed",
    [
      "share update exclusive on orders (blocks neither reads nor writes)",
      "builds the index orders_by_placed on orders",
    ],
  ],
  [
    "drop_index.js",
    "drop index concurrently orders_by_id",
    ["share update exclusive on orders (blocks neither reads nor writes)"],
  ],
  [
    "foreign_key.sql",
    "alter table orders add constraint buyer foreign key (customer_id) references customers",
    [
      "share row exclusive on customers (blocks writes)",
      "share row exclusive on orders (blocks writes)",
      "reads every row of orders",
    ],
  ],
  [
    "key_of_partitions.sql",
    "alter table events add foreign key (kind) references customers",
    [
      "share row exclusive on customers (blocks writes)",
      "share row exclusive on events and 2 partitions (blocks writes)",
      "reads every row of events",
    ],
  ],
  [
    "check_of_partitions.sql",
    "alter table events add check (kind > 0)",
    ["access exclusive on events and 2 partitions (blocks reads and writes)", "reads every row of events"],
  ],
  [
    "plain_index_for_partitions.sql",
    "create index events_by_time on events (at)",
    [
      "share on events and 2 partitions (blocks writes)",
      "builds the index events_2020_at_idx on events",
      "builds the index events_2021_at_idx on events",
      "builds the index events_by_time on events",
    ],
  ],
  [
    "index_of_partitions.js",
    "create index concurrently events_by_kind on events (kind)",
    [
      "share on events (blocks writes)",
      "share update exclusive on events_2020 (blocks neither reads nor writes)",
      "share update exclusive on events_2021 (blocks neither reads nor writes)",
      "builds the index events_2020_events_by_kind on events",
      "builds the index events_2021_events_by_kind on events",
      "builds the index events_by_kind on events",
    ],
  ],
  [
    "column_of_partitions.sql",
    "alter table events add column note text",
    ["access exclusive on events and 2 partitions (blocks reads and writes)"],
  ],
  [
    "detach.js",
    "alter table events detach partition events_2020 concurrently",
    [
      "share update exclusive on events (blocks neither reads nor writes)",
      "access exclusive on events_2020 (blocks reads and writes)",
    ],
  ],
  ["new.sql", "create table fresh (id int); create index on fresh (id)", []],
  ["read.sql", "select count(*) from orders", ["access share on orders (blocks neither reads nor writes)"]],
  ["truncate.sql", "truncate orders", ["access exclusive on orders (blocks reads and writes)"]],
];

let shop: Awaited<ReturnType<typeof makeShop>>;
let assessment: Assessment;
beforeAll(async () => {
  shop = await makeShop(`${tables};${partitions}`);
  await fill(shop.client);
  const files = pending.map(([name, text], index) => {
    const number = String(index + 2).padStart(4, "0");
    return [`${number}_${name}`, name.endsWith(".sql") ? sql(text) : alone(text)];
  });
  assessment = await assessNext(shop, Object.fromEntries(files));
});

const seen = (statement: AssessedStatement) => [
  ...(statement.locks ?? []).map(describeLock),
  ...describeWork(statement),
];
const migration = (name: string) => assessment.migrations.find((one) => one.name.endsWith(name.replace(/\.\w+$/, "")))!;

test("the evidence is of the live schema", () => {
  expect(assessment.evidence).toEqual({ of: "live", version: expect.stringMatching(/^\d+\.\d+$/) });
  expect(assessment.remarks).toEqual([]);
  expect(assessment.migrations.flatMap(({ notes }) => notes)).toEqual([]);
});

test.each(pending)("%s", (name, _text, expected) => {
  expect([...new Set(migration(`_${name}`).statements.flatMap(seen))]).toEqual(expected);
});

test("what a copy shows not to happen is no hazard, and what it shows to happen remains one", () => {
  const hazards = (name: string) => migration(`_${name}`).hazards.map(({ severity, rule }) => `${severity}: ${rule}`);
  expect(hazards("longer")).toEqual([]);
  expect(hazards("change_type")).toEqual(["blocks: changing-column-type"]);
  expect(hazards("foreign_key")).toEqual(["blocks: adding-foreign-key-constraint"]);
});

test("the line of a preview tells the locks that stop somebody, and how much is touched", () => {
  const line = pendingLine(migration("_add_column"));
  expect(line.replace(/\d+\.\d MB/, "N MB")).toBe(
    "pending: 0002_add_column; locks: access exclusive on orders (blocks reads and writes), N MB",
  );
  expect(pendingLine(migration("_index_alone"))).toBe("pending: 0006_index_alone");
});

test("what a DO block puts together while it runs shows on the copy", async () => {
  const hidden = `do $$ begin execute 'alter table orders alter column ' || 'id type bigint'; end $$;
    do $$ begin execute format('create index %I on orders (note)', 'hidden'); end $$;
    do $$ begin execute format('create index %I on customers (name)', 'hidden_too'); end $$;
    do $$ begin if false then alter table customers drop column name; end if; end $$`;
  const found = await assessNext(shop, { "0002_hidden.sql": sql(hidden) });
  expect(shortHazards(found)).toEqual([
    "blocks: rewrites-table on orders",
    "blocks: builds-index on orders",
    "note: builds-index on customers",
    "note: ban-drop-column on customers",
  ]);
  expect(found.migrations[0]!.touches.map(({ relation, rows }) => [relation, rows])).toEqual([
    ["orders", 120_000],
    ["customers", 1],
  ]);
});

test("NOT NULL after a validated constraint needs no scan, and is no hazard", async () => {
  const found = await assessNext(shop, {
    "0002_one.sql": sql("alter table orders add constraint there check (note is not null) not valid"),
    "0003_two.sql": sql("alter table orders validate constraint there"),
    "0004_three.sql": sql(
      "alter table orders alter column note set not null; alter table orders drop constraint there",
    ),
  });
  expect(shortHazards(found)).toEqual([]);
});

test("a migration that fails on the copy ends the evidence, and says so", async () => {
  const found = await assessNext(shop, {
    "0002_bad.sql": sql("alter table orders add column a int; select 1 / 0"),
    "0003_more.sql": sql("select 1"),
  });
  const [bad, more] = found.migrations;
  expect(bad!.notes).toEqual(["It fails on an empty copy of the schema: division by zero"]);
  expect(bad!.statements.map(({ locks }) => locks?.length ?? null)).toEqual([1, null]);
  expect(more!.statements[0]!.locks).toBeNull();
});

test("a live schema that the folder does not make is said, and its evidence disproves nothing", async () => {
  const { client, folder } = await makeShop();
  await client.query("alter table orders add column by_hand int");
  const found = await assessNext(
    { client, folder },
    {
      "0002_longer.sql": sql("alter table orders alter column note type varchar(20)"),
    },
  );
  expect(found.evidence.of).toBe("folder");
  expect(found.remarks).toEqual(["The locks are those of the schema that the folder makes: the live one is another."]);
  expect(shortHazards(found)).toEqual(["note: changing-column-type on orders"]);
});

test("the table of conflicts is PostgreSQL's", () => {
  expect(lockModes.map((mode) => [mode, blockedBy(mode)])).toEqual([
    ["access share", { reads: false, writes: false }],
    ["row share", { reads: false, writes: false }],
    ["row exclusive", { reads: false, writes: false }],
    ["share update exclusive", { reads: false, writes: false }],
    ["share", { reads: false, writes: true }],
    ["share row exclusive", { reads: false, writes: true }],
    ["exclusive", { reads: false, writes: true }],
    ["access exclusive", { reads: true, writes: true }],
  ]);
  expect(["AccessShareLock", "ShareUpdateExclusiveLock", "SIReadLock"].map(modeOf)).toEqual([
    "access share",
    "share update exclusive",
    undefined,
  ]);
});
