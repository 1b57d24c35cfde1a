import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type Advice, advise } from "../../../toolkit/advise/advise.ts";
import { migrationsOf, writeMigrations } from "../../../toolkit/advise/migrationFiles.ts";
import { adviceLines } from "../../../toolkit/advise/show.ts";
import { recordWorkload } from "../../../toolkit/advise/workload.ts";
import { applyMigrations } from "../../../toolkit/migrate/apply.ts";
import { readMigrations } from "../../../toolkit/migrate/files.ts";
import { render } from "../../../toolkit/migrate/render.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";

let database: TestDatabase;
let folder: string;
let advice: Advice;

beforeAll(async () => {
  database = await createDatabase();
  folder = await mkdtemp(join(tmpdir(), "advise-"));
  const { client } = database;
  await client.query(`
    create type state as enum ('open', 'closed');
    create table customers (id int primary key, email text not null);
    insert into customers select n, 'Person' || n || '@example.org' from generate_series(1, 5000) n;
    create table orders (id int primary key, customer_id int, placed_on date not null, state state, total numeric,
                         tax numeric generated always as (total * 0.2) stored, note text);
    insert into orders (id, customer_id, placed_on, state, total, note) select n, n % 5000, date '2020-01-01' + n / 20, (case when n % 50 = 0 then 'open' else 'closed' end)::state,
      n % 97, repeat('x', 60) from generate_series(1, 40000) n;
    create index orders_placed_on_idx on orders (placed_on);
    create index orders_placed_on_id_idx on orders (placed_on, id);
    create table events (at date not null, kind int, payload text) partition by range (at);
    create table events_2020 partition of events for values from ('2020-01-01') to ('2021-01-01');
    create table events_2021 partition of events for values from ('2021-01-01') to ('2022-01-01');
    insert into events select date '2020-01-01' + n % 700, n % 1000, repeat('y', 40) from generate_series(1, 20000) n;
    create view open_orders as select id, customer_id, total from orders where state = 'open';
  `);
  await client.query("vacuum (analyze)");
  const recorder = recordWorkload(client);
  for (let n = 1; n <= 5; n++) {
    await recorder.query("select * from orders where customer_id = $1 order by placed_on desc limit 5", [n]);
    await recorder.query({
      text: "select * from customers where lower(email) = $1",
      values: [`person${n}@example.org`],
    });
  }
  await recorder.query("select * from orders where placed_on = $1", ["2021-05-05"]);
  await recorder.query("select * from orders where to_char(placed_on, 'YYYY') = $1 and total < 0", ["2021"]);
  await recorder.query("select * from events where kind = $1", [7]);
  await recorder.query("select * from open_orders order by customer_id limit 3");
  await recorder.query("update orders set total = total + 1 where id = $1", [17]);
  await recorder.query("select set_config('work_mem', '8MB', false)");
  advice = await advise(database.connection, recorder.statements(), {
    samples: 20_000,
    history: join(folder, "h.json"),
  });
}, 60_000);

afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

test("the advice is the indexes that the statements miss, each measured with and without it", () => {
  const created = advice.indexes.map(({ definition }) => definition).sort();
  expect(created).toEqual([
    "customers (lower(email))",
    "events (kind)",
    expect.stringMatching(/^orders \(customer_id/),
  ]);
  for (const { workload, insert, bytes } of advice.indexes) {
    expect(workload.without).toBeGreaterThan(workload.with);
    expect(insert.with).toBeGreaterThan(0);
    expect(bytes.whole).toBeGreaterThanOrEqual(bytes.sample);
  }
});

test("an index that another one serves for is superfluous", () => {
  expect(advice.drops.map(({ name, by }) => ({ name, by }))).toEqual([
    { name: "public.orders_placed_on_idx", by: "public.orders_placed_on_id_idx" },
  ]);
});

test("only a sample of a big table is copied, and the advice tells the shares", () => {
  const orders = advice.tables.find(({ name }) => name === "public.orders")!;
  expect(orders.rows).toBe(40_000);
  expect(orders.sampled).toBeGreaterThan(10_000);
  expect(orders.sampled).toBeLessThan(30_000);
  const [first] = adviceLines(advice);
  expect(first).toMatch(
    /^measured on a copy of a sample \(public\.orders \d+\.\d % of the rows; the others whole\), \d+ candidates built\.$/,
  );
});

test("a condition that no index can serve is told with what to write instead, a statement without tables is left out", () => {
  expect(advice.notes).toEqual([
    "no index can serve the condition on to_char(placed_on, 'YYYY') of public.orders, for its result depends on settings: compare the column itself, as with a range of its own type.",
  ]);
  expect(advice.skipped).toEqual([{ text: "select set_config('work_mem', '8MB', false)", why: "it reads no table" }]);
});

test("the database is only read: it has the rows and the indexes that it had", async () => {
  const { rows } = await database.client.query(
    `select (select count(*)::int from pg_indexes where schemaname = 'public') as indexes,
            (select total::int from orders where id = 17) as total`,
  );
  // The update that was recorded ran once, when it was recorded.
  expect(rows).toEqual([{ indexes: 4, total: 18 }]);
});

test("the model tells its error on statements that it had not seen, and remembers for the next run", async () => {
  expect(advice.model.errorFactor).toBeGreaterThan(1);
  expect(adviceLines(advice).at(-1)).toMatch(
    /^the model that ranked them has learned from \d+ measurements of 7 statements; on statements that it had not seen it is off by a factor of \d+\.\d \(median\)$/,
  );
  const kept = await readFile(join(folder, "h.json"), "utf8");
  expect(JSON.parse(kept)).toHaveLength(advice.model.examples);
  expect(kept).not.toMatch(/select|example\.org/);
});

test("its migrations apply, and are undone", async () => {
  const directory = join(folder, "migrations");
  await mkdir(directory);
  const files = await writeMigrations(directory, migrationsOf(advice));
  expect((await readdir(directory)).map((name) => name.slice(0, 5))).toEqual(["0001_", "0002_", "0003_", "0004_"]);
  const lower = await readFile(files.find((file) => file.includes("customers"))!, "utf8");
  expect(lower.replace(/\d+\.\d %/, "N %")).toBe(`import type { MigrationBuilder } from "node-pg-migrate";

/** Advised for a recorded workload: on a sample, N % of its time. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql(\`
    create index concurrently if not exists customers_lower_idx
      on customers (lower(email));\`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql("drop index concurrently if exists customers_lower_idx;");
}
`);
  await applyMigrations(database.connection, { directory });
  const { rows } = await database.client.query(
    `select count(*)::int as found from pg_index i join pg_class c on c.oid = indexrelid
     where indisvalid and relname = any ($1)`,
    [advice.indexes.map(({ name }) => name)],
  );
  expect(rows).toEqual([{ found: 3 }]);
  expect((await database.client.query("select to_regclass('orders_placed_on_idx') as gone")).rows).toEqual([
    { gone: null },
  ]);
  // The one on the partitioned table is taken down as the toolkit does it; PostgreSQL itself refuses.
  for (const file of (await readMigrations(directory)).reverse())
    for (const { text } of (await render(file, "down")).statements)
      await database.client.query(text.replace(/concurrently (?=if exists events)/, ""));
  expect(
    (
      await database.client.query(
        "select indexname from pg_indexes where schemaname = 'public' and tablename <> 'pgmigrations' order by 1",
      )
    ).rows,
  ).toEqual(
    ["customers_pkey", "orders_pkey", "orders_placed_on_id_idx", "orders_placed_on_idx"].map((indexname) => ({
      indexname,
    })),
  );
}, 30_000);
