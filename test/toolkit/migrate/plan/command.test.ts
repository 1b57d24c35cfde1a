import { afterEach, beforeAll, beforeEach, expect, jest, test } from "@jest/globals";
import type { Connection } from "../../../../toolkit/connection.ts";
import { command, needsDatabase } from "../../../../toolkit/migrate/commands/plan.ts";
import { freePort } from "../../../support/server.ts";
import { failure, makeFolder, sql, steady } from "../support.ts";
import { fill, makeShop } from "./support.ts";

const output = { stdout: "", stderr: "" };
beforeEach(() => {
  Object.assign(output, { stdout: "", stderr: "" });
  for (const name of ["stdout", "stderr"] as const)
    jest.spyOn(process[name], "write").mockImplementation((text) => {
      output[name] += text;
      return true;
    });
});
afterEach(() => {
  jest.restoreAllMocks();
});

const none = {} as Connection;
const stable = (text: string) => text.replace(/\d+\.\d MB/g, "N MB").replace(/PostgreSQL \d+\.\d+/g, "PostgreSQL V");

let shop: Awaited<ReturnType<typeof makeShop>>;
beforeAll(async () => {
  shop = await makeShop();
  await fill(shop.client);
  await shop.folder.write({
    "0002_note.sql": sql(`-- accepts ban-drop-column: nobody reads it
      alter table customers add column note text;
      alter table orders drop column note`),
    "0003_by_day.sql": sql("create index by_day on orders (placed)"),
  });
});

const run = (...argv: string[]) => command(["--directory", shop.folder.directory, ...argv], shop.connection);

test("for people: the SQL, the locks, the hazards, and exit code 1 where one blocks", async () => {
  expect(await run()).toBe(1);
  expect(stable(output.stdout)).toBe(`2 of 3 migrations pending

0002_note: in a transaction, can be undone
  touches orders: 120,000 rows, N MB
  touches customers: 1 row, N MB
   1  -- accepts ban-drop-column: nobody reads it
      alter table customers add column note text
      -- lock: access exclusive on customers (blocks reads and writes)
   2  alter table orders drop column note
      -- lock: access exclusive on orders (blocks reads and writes)
  note: 0002_note: on orders (120,000 rows, N MB): dropping a column may break existing clients [ban-drop-column]; accepted: nobody reads it

0003_by_day: in a transaction, can be undone
  touches orders: 120,000 rows, N MB
   1  create index by_day on orders (placed)
      -- lock: share on orders (blocks writes)
      -- builds the index by_day on orders
  blocks: 0003_by_day: building an index on orders (120,000 rows, N MB) blocks writes to it until the index is complete [require-concurrent-index-creation]
    why: CREATE INDEX holds a share lock while it reads the whole table.
    fix: Build it concurrently. Alone in its migration, which calls pgm.noTransaction():
      create index concurrently by_day on orders (placed);
      Or say why it is safe: -- accepts require-concurrent-index-creation: the reason

locks: seen on an empty copy of the schema, PostgreSQL V
1 hazard blocks
`);
  expect(output.stderr).toBe("");
});

test("as JSON, in a shape that stays", async () => {
  expect(await run("--json")).toBe(1);
  const plan = JSON.parse(output.stdout);
  expect(Object.keys(plan)).toEqual(["migrations", "sizesKnown", "evidence", "remarks"]);
  expect(plan.migrations[1]).toEqual({
    name: "0003_by_day",
    file: `${shop.folder.directory}/0003_by_day.sql`,
    transactional: true,
    reversible: true,
    statements: [
      {
        sql: "create index by_day on orders (placed)",
        locks: [{ relation: "orders", mode: "share", partitions: 0, blocks: { reads: false, writes: true } }],
        rewritten: [],
        scanned: [],
        indexesBuilt: [{ index: "by_day", table: "orders" }],
      },
    ],
    hazards: [
      {
        rule: "require-concurrent-index-creation",
        statement: 1,
        relation: "orders",
        severity: "blocks",
        accepted: null,
        summary: expect.stringContaining("building an index on orders (120,000 rows, "),
        message: expect.stringContaining("create index concurrently by_day on orders (placed);"),
      },
    ],
    touches: [{ relation: "orders", rows: 120_000, bytes: expect.any(Number) }],
    notes: [],
  });
});

test("as Markdown: a table, what blocks in full, and the SQL folded", async () => {
  expect(await run("--markdown")).toBe(1);
  expect(stable(output.stdout)).toBe(`### Migrations: 2 of 3 pending

**1 blocking.** \`up\` stops before it touches anything.

| migration | hazards | locks | touches | undo |
| --- | --- | --- | --- | --- |
| \`0002_note\` | accepted: ban-drop-column | access exclusive on customers (blocks reads and writes)<br>access exclusive on orders (blocks reads and writes) | orders: 120,000 rows, N MB<br>customers: 1 row, N MB | yes |
| \`0003_by_day\` | **blocks**: require-concurrent-index-creation | share on orders (blocks writes) | orders: 120,000 rows, N MB | yes |

\`\`\`
0003_by_day: building an index on orders (120,000 rows, N MB) blocks writes to it until the index is complete [require-concurrent-index-creation]
  why: CREATE INDEX holds a share lock while it reads the whole table.
  fix: Build it concurrently. Alone in its migration, which calls pgm.noTransaction():
    create index concurrently by_day on orders (placed);
    Or say why it is safe: -- accepts require-concurrent-index-creation: the reason
\`\`\`

- 0002_note: on orders (120,000 rows, N MB): dropping a column may break existing clients [ban-drop-column]; accepted: nobody reads it

<details><summary><code>0002_note</code>: in a transaction, can be undone</summary>

\`\`\`sql
-- accepts ban-drop-column: nobody reads it
alter table customers add column note text;
-- lock: access exclusive on customers (blocks reads and writes)

alter table orders drop column note;
-- lock: access exclusive on orders (blocks reads and writes)
\`\`\`

</details>

<details><summary><code>0003_by_day</code>: in a transaction, can be undone</summary>

\`\`\`sql
create index by_day on orders (placed);
-- lock: share on orders (blocks writes)
-- builds the index by_day on orders
\`\`\`

</details>

Locks as seen on an empty copy of the schema, PostgreSQL V.
`);
});

test("nothing pending is said, and fine", async () => {
  const { connection, folder } = await makeShop();
  expect(await command(["--directory", folder.directory], connection)).toBe(0);
  expect(output.stdout).toBe("nothing is pending: all of 1 migrations are applied\n");
});

test("without a database: relative to a named migration, with every size unknown", async () => {
  const folder = await makeFolder({
    "0001_a.sql": sql("create table a (id int)"),
    "0002_b.sql": sql("create index on a (id)"),
  });
  const offline = (...argv: string[]) => command(["--directory", folder.directory, "--no-locks", ...argv], none);
  expect(await offline("--from", "0001_a")).toBe(1);
  expect(output.stdout).toContain("building an index on a (size not known) blocks writes");
  output.stdout = "";
  expect(await offline("--all")).toBe(0);
  expect(output.stdout).toContain("building an index on a (new in this run) blocks writes");
  expect(await offline("--from", "0002_b")).toBe(0);
});

test("a server that is away: what to do without it, or one line where the arguments say it", async () => {
  const { connection, folder } = await makeShop();
  const away = { ...connection, port: await freePort() };
  const directory = ["--directory", folder.directory];
  expect((await failure(command(directory, away))).replace(/\d{4,5}\/\w+/, "PORT/db")).toBe(
    `cannot connect to 127.0.0.1:PORT/db as postgres: no PostgreSQL answers
  why: connect ECONNREFUSED 127.0.0.1:${away.port}
  fix: Start the server; or plan without it: --from NAME, the last applied migration, or --all.`,
  );
  await folder.write({ "0002_b.sql": sql("select 1") });
  expect(await command([...directory, "--from", "0001_tables"], away)).toBe(0);
  expect(output.stderr).toMatch(/^going on without a look into the database: cannot connect to .*\n$/);
});

test.each([
  [["--json", "--markdown"], "--json and --markdown exclude each other"],
  [["--from", "0001_a", "--all"], "--from and --all exclude each other"],
  [["--from", "0009_z"], "there is no migration 0009_z"],
])("wrong usage: %j", async (argv, expected) => {
  const folder = await makeFolder({ "0001_a.sql": sql("select 1") });
  const error = await command(["--directory", folder.directory, ...argv], none).catch((thrown) => thrown);
  expect([steady(error.message, folder).split("\n")[0], error.exitCode]).toEqual([expected, 2]);
});

test("whether a database is needed", async () => {
  const { DATABASE_URL } = process.env;
  delete process.env.DATABASE_URL;
  expect([await needsDatabase([]), await needsDatabase(["--all"]), await needsDatabase(["--from", "x"])]).toEqual([
    true,
    false,
    false,
  ]);
  process.env.DATABASE_URL = "postgres://a@b/c";
  expect(await needsDatabase(["--all"])).toBe(true);
  if (DATABASE_URL === undefined) delete process.env.DATABASE_URL;
  else process.env.DATABASE_URL = DATABASE_URL;
});
