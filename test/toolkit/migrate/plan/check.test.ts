import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { check, type Inputs } from "../../../../toolkit/migrate/resource.ts";
import { alone, sql } from "../support.ts";
import { fill, makeShop, manyRows } from "./support.ts";

const lines: string[] = [];
beforeEach(() => {
  lines.length = 0;
  jest.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
});
afterEach(() => {
  jest.restoreAllMocks();
});

async function setUp() {
  const shop = await makeShop();
  await fill(shop.client);
  const news = {
    connection: shop.connection,
    server: "cluster 1",
    directory: shop.folder.directory,
    lockTimeout: 5000,
    acceptDrift: "",
  } as Inputs;
  return { ...shop, news };
}

test("a blocking hazard stops it before anything is touched; notes and locks are lines", async () => {
  const { news, folder, client } = await setUp();
  await folder.write({
    "0002_note.sql": sql("alter table customers add column note text"),
    "0003_by_name.sql": sql("create index by_name on customers (name)"),
    "0004_by_note.sql": sql("create index by_note on orders (note)"),
    "0005_by_id.js": alone("create index concurrently by_id on orders (id)"),
  });
  const { failures } = await check({}, news);
  expect(
    failures!.map(({ property, reason }) => [property, reason.split("\n")[0]!.replace(/\d+\.\d MB/, "N MB")]),
  ).toEqual([
    [
      "directory",
      `0004_by_note: building an index on orders (${manyRows.toLocaleString("en-US")} rows, N MB) blocks writes to it until the index is complete [require-concurrent-index-creation]`,
    ],
  ]);
  expect(lines.map((line) => line.replace(/\d+\.\d MB/, "N MB"))).toEqual([
    "4 of 5 migrations pending",
    "pending: 0002_note; locks: access exclusive on customers (blocks reads and writes), N MB",
    "pending: 0003_by_name; locks: share on customers (blocks writes), N MB",
    "pending: 0004_by_note; locks: share on orders (blocks writes), N MB",
    "pending: 0005_by_id",
    "note: 0003_by_name: building an index on customers (1 row, N MB) blocks writes to it until the index is complete [require-concurrent-index-creation]",
  ]);
  const made = await client.query("select to_regclass('by_name') as index, to_regclass('by_note') as other");
  expect(made.rows).toEqual([{ index: null, other: null }]);
});

test("an accepted hazard lets it go on, with its reason as a line", async () => {
  const { news, folder } = await setUp();
  await folder.write({
    "0002_by_note.sql": sql(
      "-- accepts require-concurrent-index-creation: the shop is closed at night\ncreate index by_note on orders (note)",
    ),
  });
  expect((await check({}, news)).failures).toEqual([]);
  expect(lines.at(-1)).toMatch(
    /^note: 0002_by_note: building an index on orders .*; accepted: the shop is closed at night$/,
  );
});

test("a server that is not known yet blocks nothing for a size that nobody knows", async () => {
  const { news, folder } = await setUp();
  const olds = (await check({}, news)).inputs;
  await folder.write({ "0002_by_note.sql": sql("create index by_note on orders (note)") });
  lines.length = 0;
  const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
  expect((await check(olds, { ...news, connection: unknown as never })).failures).toEqual([]);
  expect(lines).toEqual([
    "1 of 2 migrations pending",
    "pending: 0002_by_note; locks: share on orders (blocks writes)",
    "note: 0002_by_note: building an index on orders (size not known) blocks writes to it until the index is complete [require-concurrent-index-creation]",
    "note: The locks are those of the schema that the folder makes: no database was asked.",
  ]);
});
