import { beforeAll, describe, expect, test } from "@jest/globals";
import { assess, blockingHazards } from "../../../../toolkit/migrate/assess.ts";
import { readMigrations } from "../../../../toolkit/migrate/files.ts";
import { leftOut, rules } from "../../../../toolkit/migrate/hazards/rules.ts";
import { readSizes } from "../../../../toolkit/migrate/hazards/sizes.ts";
import { alone, failure, makeFolder, sql, steady } from "../support.ts";
import { assessNext, fill, makeShop, shortHazards } from "./support.ts";

let shop: Awaited<ReturnType<typeof makeShop>>;
beforeAll(async () => {
  shop = await makeShop();
  await fill(shop.client);
  await shop.client.query("create materialized view totals as select customer_id from orders; analyze totals");
  await shop.client.query(
    "create table parts (d date) partition by range (d); create table rest partition of parts default",
  );
});

// What only the text and the catalog tell; what a run on a copy adds is in evidence.test.ts.
const static_ = { locks: false };
const assessText = (text: string) => assessNext(shop, { "0002_next.sql": sql(text) }, static_);

describe("on a big table", () => {
  test.each([
    ["create index by_note on orders (note)", ["blocks: require-concurrent-index-creation on orders"]],
    ["drop index orders_by_placed", ["blocks: require-concurrent-index-deletion on orders"]],
    ["reindex table orders", ["blocks: require-concurrent-reindex on orders"]],
    ["alter table orders alter column note set not null", ["blocks: adding-not-nullable-field on orders"]],
    ["alter table public.orders alter column id type bigint", ["blocks: changing-column-type on orders"]],
    ["alter table orders add constraint positive check (id > 0)", ["blocks: constraint-missing-not-valid on orders"]],
    ["alter table orders add constraint positive check (id > 0) not valid", []],
    ["alter table orders add unique (id)", ["blocks: disallowed-unique-constraint on orders"]],
    ["alter table orders add primary key (id)", ["blocks: adding-serial-primary-key-field on orders"]],
    [
      "alter table orders add foreign key (customer_id) references customers",
      ["blocks: adding-foreign-key-constraint on orders"],
    ],
    [
      "alter table orders add column at timestamptz default clock_timestamp()",
      ["blocks: adding-field-with-default on orders"],
    ],
    ["alter table orders add column at int default 3", []],
    ["alter table orders rename to sales", ["blocks: renaming-table on orders"]],
    ["drop table orders", ["blocks: ban-drop-table on orders"]],
    ["alter table orders drop column note", ["blocks: ban-drop-column on orders"]],
    ["update orders set note = 'y'", ["blocks: update-without-where on orders"]],
    ["update orders set note = 'y' where id = 1", []],
    ["delete from orders", ["blocks: delete-without-where on orders"]],
    ["create table copy as select * from orders", ["blocks: copies-whole-table on orders"]],
    ["create unlogged table copy as table orders", ["blocks: copies-whole-table on orders"]],
    ["create materialized view copy as select * from orders", ["blocks: copies-whole-table on orders"]],
    ["create view same as select * from orders", []],
    ["create table copy (id int); insert into copy select id from orders", ["blocks: copies-whole-table on orders"]],
    ["insert into customers select id from orders where id < 10", []],
    ["refresh materialized view totals", ["blocks: refresh-materialized-view on totals"]],
    ["refresh materialized view concurrently totals", []],
    ["-- update orders\nselect 'update orders set note = 1'", []],
    // What a DO block runs, whichever way its conditions go.
    [
      `do $$ declare n int; begin
         if false then create index by_note on orders (note); else execute 'update orders set note = ''y'''; end if;
         for n in select 1 loop
           execute $s$alter table orders drop column note$s$;
           delete from customers where id = 1 returning id into n;
         end loop;
         execute format('drop table %I', 'orders');
       end $$`,
      [
        "blocks: require-concurrent-index-creation on orders",
        "blocks: update-without-where on orders",
        "blocks: ban-drop-column on orders",
      ],
    ],
    ["do language plpgsql 'begin delete from orders; end'", ["blocks: delete-without-where on orders"]],
    ["do $$ begin create table copy (id int); create index on copy (id); end $$", []],
    ["do $$ begin this is none $$", []],
    // A new name does not make it smaller; a new table with the old name is new.
    [
      "alter table orders rename to sales; create index i on sales (id); create table orders (id int); create index j on orders (id)",
      ["blocks: renaming-table on orders", "blocks: require-concurrent-index-creation on sales"],
    ],
  ])("%s", async (text, expected) => {
    expect(shortHazards(await assessText(text))).toEqual(expected);
  });
});

test.each([
  [
    "a small table",
    "create index by_name on customers (name)",
    ["note: require-concurrent-index-creation on customers"],
  ],
  ["a table of the run", "create table new (id int); update new set id = 1", ["note: update-without-where on new"]],
  ["style", "create table new (id serial, name varchar(3), at timestamp, small int)", []],
  ["transactions of its own", "begin; select 1; commit", ["blocks: transaction-nesting"]],
])("%s: %s", async (_what, text, expected) => {
  expect([...new Set(shortHazards(await assessText(text)))]).toEqual(expected);
});

test("what cannot work blocks whatever the size", async () => {
  const detach = await assessNext(
    shop,
    { "0002_next.js": alone("alter table parts detach partition rest concurrently") },
    static_,
  );
  expect(shortHazards(detach)).toEqual(["blocks: detach-concurrently-with-default-partition on parts"]);
  const index = await assessText("create index concurrently i on customers (name)");
  expect(shortHazards(index)).toEqual(["blocks: concurrently-in-transaction on customers"]);
});

test("without sizes a hazard blocks, or is a note where the caller asks for that", async () => {
  const files = { "0002_next.sql": sql("create index i on customers (name)") };
  await shop.folder.write(files);
  const all = await readMigrations(shop.folder.directory);
  const applied = ["0001_tables"];
  for (const [unknownSize, severity] of [
    [undefined, "blocks"],
    ["note", "note"],
  ] as const) {
    const options = { locks: false, applied, ...(unknownSize ? { unknownSize } : {}) };
    const assessment = await assess({}, all, all.slice(1), options);
    expect(shortHazards(assessment)).toEqual([`${severity}: require-concurrent-index-creation on customers`]);
    expect(assessment.migrations[0]!.touches).toEqual([]);
  }
  await shop.folder.remove("0002_next.sql");
});

const messageOf = async (text: string) => {
  const [migration] = (await assessText(text)).migrations;
  const size = /\(120,000 rows, \d+\.\d MB\)/;
  return steady(migration!.hazards[0]!.message.replace(size, "(120,000 rows, N MB)"), shop.folder);
};

test("the message on an index", async () => {
  expect(await messageOf("create index on orders (customer_id, note)")).toBe(
    `0002_next: building an index on orders (120,000 rows, N MB) blocks writes to it until the index is complete [require-concurrent-index-creation]
  why: CREATE INDEX holds a share lock while it reads the whole table.
  fix: Build it concurrently. Alone in its migration, which calls pgm.noTransaction():
    create index concurrently orders_customer_id_note_idx on orders (customer_id, note);
    Or say why it is safe: -- accepts require-concurrent-index-creation: the reason`,
  );
});

test("the message on NOT NULL", async () => {
  expect(await messageOf("alter table orders alter column note set not null")).toBe(
    `0002_next: setting note not null on orders (120,000 rows, N MB) blocks reads and writes of it while every row is checked [adding-not-nullable-field]
  why: SET NOT NULL reads the whole table under an access exclusive lock, unless a validated constraint proves it.
  fix: Prove it first by a constraint, which is validated while the application writes:
    -- one migration
    alter table orders add constraint orders_note_not_null check (note is not null) not valid;
    -- the next one
    alter table orders validate constraint orders_note_not_null;
    -- the last one
    alter table orders alter column note set not null;
    alter table orders drop constraint orders_note_not_null;
    Or say why it is safe: -- accepts adding-not-nullable-field: the reason`,
  );
});

test("the message on a foreign key", async () => {
  expect(
    await messageOf("alter table orders add constraint buyer foreign key (customer_id) references customers (id)"),
  ).toBe(
    `0002_next: adding a foreign key to orders (120,000 rows, N MB) blocks writes to it and to the table it refers to while every row is checked [adding-foreign-key-constraint]
  why: ADD FOREIGN KEY reads the whole table under a share row exclusive lock on both tables.
  fix: Add it without looking at the rows that are there, then validate it while the application writes:
    -- one migration
    alter table orders add constraint buyer foreign key (customer_id) references customers (id) not valid;
    -- the next one
    alter table orders validate constraint buyer;
    Or say why it is safe: -- accepts adding-foreign-key-constraint: the reason`,
  );
});

test("the message on a whole update", async () => {
  expect(await messageOf("update orders set note = 'y'")).toBe(
    `0002_next: updating every row of orders (120,000 rows, N MB) at once locks all of them until the migration is committed [update-without-where]
  why: Whoever writes one of them waits, the table doubles in size, and replicas fall behind.
  fix: Update in batches, each with a transaction of its own, outside the migration:
    update orders set … where id between $1 and $1 + 9999;
    Or say why it is safe: -- accepts update-without-where: the reason`,
  );
});

test("a rule that we have no words for speaks in squawk's", async () => {
  expect(await messageOf("alter table orders drop column note")).toBe(
    `0002_next: on orders (120,000 rows, N MB): dropping a column may break existing clients [ban-drop-column]
  why: Squawk's rule ban-drop-column: https://squawkhq.com/docs/ban-drop-column
  fix: Let the application stop using it first.
    Or say why it is safe: -- accepts ban-drop-column: the reason`,
  );
});

test("an acceptance with its reason lets a hazard pass, and the plan repeats the reason", async () => {
  const text = "-- accepts update-without-where: the shop is closed at night\nupdate orders set note = 'y'";
  const typescript = `
    export const accepts = { "update-without-where": "the shop is closed at night" };
    export const up = (pgm) => pgm.sql("update orders set note = 'y'");
    export const down = false;`;
  for (const [name, file] of [
    ["0002_next.sql", sql(text)],
    ["0002_next.ts", typescript],
  ]) {
    const assessment = await assessNext(shop, { [name!]: file! }, static_);
    const [hazard] = assessment.migrations[0]!.hazards;
    expect([hazard!.severity, hazard!.accepted]).toEqual(["blocks", "the shop is closed at night"]);
    expect(blockingHazards(assessment)).toEqual([]);
  }
});

test("squawk's own comment, which gives no reason, accepts nothing", async () => {
  const text = "-- squawk-ignore require-concurrent-index-creation\ncreate index i on orders (id)";
  expect(shortHazards(await assessText(text))).toEqual(["blocks: require-concurrent-index-creation on orders"]);
});

test("an acceptance of what is not there is a note", async () => {
  const { migrations } = await assessText("-- accepts ban-drop-table: nobody reads it\nselect 1");
  expect(migrations[0]!.notes).toEqual(["It accepts ban-drop-table, which is not found in it."]);
});

test.each([
  ["0001_a.sql", sql("-- accepts ban-drop-table:\nselect 1"), "It accepts ban-drop-table without a reason."],
  ["0001_a.js", "export const accepts = { x: ' ' }, up = () => {}, down = false;", "It accepts x without a reason."],
  [
    "0001_a.js",
    "export const accepts = ['x'], up = () => {}, down = false;",
    "What it exports as `accepts` is not an object of rules and reasons.",
  ],
])("an acceptance that does not count is refused: %s %j", async (name, text, why) => {
  const folder = await makeFolder({ [name]: text });
  expect(steady(await failure(readMigrations(folder.directory)), folder)).toBe(
    `migrations/${name} accepts a hazard in a way that does not count
  why: ${why}
  fix: Say why it is safe: \`-- accepts RULE: reason\`, or \`export const accepts = { "RULE": "reason" }\`.`,
  );
});

test("the size of a partitioned table is that of its partitions, and an index counts as its table", async () => {
  await shop.client.query("insert into parts select '2020-01-01' from generate_series(1, 500); analyze parts");
  const sizes = await readSizes(shop.client, [
    "parts",
    "orders_by_placed",
    "public.customers",
    "nowhere",
    '"We"."ird"',
  ]);
  expect([...sizes].map(([name, { relation, rows, kind }]) => [name, relation, rows, kind])).toEqual(
    expect.arrayContaining([
      ["parts", "parts", 500, "p"],
      ["orders_by_placed", "orders", 120_000, "r"],
      ["public.customers", "public.customers", 1, "r"],
    ]),
  );
  expect(sizes.size).toBe(3);
  expect(sizes.get("parts")!.bytes).toBeGreaterThan(8192);
});

test("rows that were loaded count before the next analyze, and those of a table that nobody has counted are unknown", async () => {
  await shop.client.query("create table loaded (id int) with (autovacuum_enabled = off); create table bare (id int)");
  await shop.client.query("insert into loaded select generate_series(1, 200); select pg_stat_force_next_flush()");
  const sizes = await readSizes(shop.client, ["loaded", "bare"]);
  expect([...sizes].map(([name, { rows }]) => [name, rows]).sort()).toEqual([
    ["bare", null],
    ["loaded", 200],
  ]);
});

test("no rule is both weighed and left out", () => {
  expect(Object.keys(rules).filter((rule) => rule in leftOut)).toEqual([]);
});
