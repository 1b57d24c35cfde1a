import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import type { Connection } from "../../../toolkit/connection.ts";
import {
  check,
  create,
  delete_,
  diff,
  type Inputs,
  type Outputs,
  read,
  update,
} from "../../../toolkit/migrate/resource.ts";
import { freePort } from "../../support/server.ts";
import { makeDatabase, makeFolder, sql, steady } from "./support.ts";

const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

const lines: string[] = [];
beforeEach(() => {
  lines.length = 0;
  jest.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
});
afterEach(() => {
  jest.restoreAllMocks();
});

const two = {
  "0001_stocks.sql": sql("create table stocks (id int primary key)", "drop table stocks"),
  "0002_sectors.sql": sql("create table sectors (id int primary key)", "drop table sectors"),
};

async function setUp() {
  const [database, folder] = [await makeDatabase(), await makeFolder(two)];
  const news: Inputs = {
    connection: database.connection,
    server: "cluster 1",
    directory: folder.directory,
    lockTimeout: 5000,
    acceptDrift: "",
    backup: { kind: "auto", directory: `${folder.directory}/backups` },
    backupBefore: false,
    backupCount: 5,
    backupRetention: 14,
    autoRollback: false,
    slowdownFactor: 3,
    concurrentIndexTimeout: 60,
  };
  const created = async () => {
    const { inputs } = await check({}, news);
    return { inputs, outs: (await create(inputs)).outs };
  };
  return { ...database, folder, news, created };
}

const away = async (connection: Connection): Promise<Connection> => ({ ...connection, port: await freePort() });

test("check lists the folder as an input, and what is pending by name", async () => {
  const { news } = await setUp();
  const { inputs, failures } = await check({}, news);
  expect(failures).toEqual([]);
  expect(inputs).toEqual({
    ...news,
    migrations: [
      expect.stringMatching(/^0001_stocks [0-9a-f]{12}$/),
      expect.stringMatching(/^0002_sectors [0-9a-f]{12}$/),
    ],
  });
  expect(lines).toEqual(["2 of 2 migrations pending", "pending: 0001_stocks", "pending: 0002_sectors"]);
});

test("with a server that does not exist yet, everything is pending", async () => {
  const { news } = await setUp();
  const { inputs, failures } = await check({}, { ...news, connection: unknown as never, server: unknown });
  expect(failures).toEqual([]);
  expect(inputs.migrations).toHaveLength(2);
  expect(lines).toEqual(["2 of 2 migrations pending", "pending: 0001_stocks", "pending: 0002_sectors"]);
});

test("with a server that is only to be started again, what the last up listed is not called pending", async () => {
  const { news, folder } = await setUp();
  const olds = (await check({}, news)).inputs;
  await folder.write({ "0003_more.sql": sql("select 1") });
  lines.length = 0;
  await check(olds, { ...news, connection: unknown as never, server: unknown });
  expect(lines).toEqual(["1 of 3 migrations pending", "pending: 0003_more"]);
});

test("a server that is away stops no preview: one line says so, and only what is new is listed", async () => {
  const { news, folder } = await setUp();
  const connection = await away(news.connection);
  const olds = (await check({}, { ...news, connection: unknown as never })).inputs;
  await folder.write({ "0003_more.sql": sql("select 1") });
  lines.length = 0;
  expect((await check(olds, { ...news, connection })).failures).toEqual([]);
  expect(lines).toEqual([
    `going on without a look into the database: cannot connect to 127.0.0.1:${connection.port}/${connection.database} as postgres: no PostgreSQL answers`,
    "1 of 3 migrations pending",
    "pending: 0003_more",
  ]);
});

test("check refuses with the whole list, each with its reason", async () => {
  const { news, folder, client, created } = await setUp();
  await created();
  await client.query("create table by_hand ()");
  await folder.write({ "0000_early.sql": sql("select 1"), "0002_sectors.sql": sql("select 2") });
  const { failures } = await check({}, news);
  expect(failures!.map(({ property, reason }) => [property, steady(reason, folder).split("\n")[0]])).toEqual([
    ["directory", "a migration was edited after it was applied: migrations/0002_sectors.sql"],
    ["directory", "the schema was changed by hand since the last run"],
    ["directory", "migrations/0000_early.sql is pending, but 0002_sectors, which comes after it, is applied"],
  ]);
  await folder.write({ "0003_bad.ts": "export const down = 1;", "0003_more.sql": sql("select 1") });
  const again = await check({}, news);
  expect(again.failures!.map(({ reason }) => steady(reason, folder).split("\n")[0])).toEqual([
    "2 migrations in migrations have the number 0003: 0003_bad.ts, 0003_more.sql",
    'migrations/0003_bad.ts exports no function "up"',
  ]);
});

test("check reads only", async () => {
  const { news, client } = await setUp();
  await check({}, news);
  const { rows } = await client.query(
    "select to_regclass('pgmigrations') as table, to_regnamespace('deploy') as schema",
  );
  expect(rows).toEqual([{ table: null, schema: null }]);
});

test("create applies and gives what is applied; update does the same for what came since", async () => {
  const { news, folder, created } = await setUp();
  const { outs } = await created();
  expect(outs).toMatchObject({
    applied: ["0001_stocks", "0002_sectors"],
    head: "0002_sectors",
    fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
    server: "cluster 1",
  });
  await folder.write({ "0003_more.sql": sql("create table more ()", "drop table more") });
  const { inputs } = await check(news, news);
  expect(await diff("schema", outs, inputs)).toEqual({ changes: true });
  const updated = await update("schema", outs, inputs);
  expect(updated.outs.head).toBe("0003_more");
  expect(updated.outs.fingerprint).not.toBe(outs.fingerprint);
  expect(await diff("schema", updated.outs, inputs)).toEqual({ changes: false });
});

test("a create that failed halfway goes on where it stopped", async () => {
  const { news, folder, created } = await setUp();
  await folder.write({ "0003_bad.sql": sql("select nowhere") });
  await expect(created()).rejects.toThrow('0003_bad failed: column "nowhere" does not exist');
  await folder.write({ "0003_bad.sql": sql("select 1") });
  lines.length = 0;
  expect((await created()).outs.applied).toEqual(["0001_stocks", "0002_sectors", "0003_bad"]);
  expect(lines.slice(0, 2)).toEqual(["1 of 3 migrations pending", "pending: 0003_bad"]);
  expect(news.migrations).toBeUndefined();
});

test("migrateTo ends a run at a migration, and the next one goes on from there", async () => {
  const { created, news } = await setUp();
  const first = { ...news, migrateTo: "0001_stocks" };
  const { inputs } = await check({}, first);
  expect(lines).toEqual([
    ...["1 of 2 migrations pending", "1 more wait, for database:migrateTo is 0001_stocks", "pending: 0001_stocks"],
  ]);
  const { outs } = await create(inputs);
  expect(outs.applied).toEqual(["0001_stocks"]);
  expect(await diff("schema", outs, inputs)).toEqual({ changes: false });
  expect(await diff("schema", outs, { ...inputs, migrateTo: "" })).toEqual({ changes: true });
  expect((await created()).outs.applied).toEqual(["0001_stocks", "0002_sectors"]);
  // What is applied already stays so.
  expect(await diff("schema", { ...outs, ...(await created()).outs }, inputs)).toEqual({ changes: false });
});

test("migrateTo of no migration is refused", async () => {
  const { news } = await setUp();
  const { failures } = await check({}, { ...news, migrateTo: "0009_nothing" });
  expect(failures!.map(({ reason }) => reason)).toEqual([
    "database:migrateTo: there is no migration 0009_nothing\n" +
      "  fix: Use the name of a migration without its extension, such as 0001_stocks.",
  ]);
});

const changes: [string, boolean, (inputs: Inputs, outs: Outputs) => unknown][] = [
  ["nothing", false, () => {}],
  ["the lock timeout", false, (inputs) => Object.assign(inputs, { lockTimeout: 100 })],
  [
    "other backups",
    false,
    (inputs) => Object.assign(inputs, { backupBefore: true, backupCount: 9, backupRetention: 3 }),
  ],
  ["another rollback", false, (inputs) => Object.assign(inputs, { autoRollback: true, slowdownFactor: 9 })],
  ["another place for backups", false, (inputs) => Object.assign(inputs.backup, { directory: "elsewhere" })],
  ["another wait for indexes", false, (inputs) => Object.assign(inputs, { concurrentIndexTimeout: 9 })],
  ["a drift accepted that is not there", false, (inputs) => Object.assign(inputs, { acceptDrift: "123456789abc" })],
  ["another cluster", true, (inputs) => Object.assign(inputs, { server: "cluster 2" })],
  ["another user", true, (inputs) => Object.assign(inputs.connection, { user: "somebody" })],
  ["an unknown connection", false, (inputs) => Object.assign(inputs, { connection: unknown as never })],
  ["an unknown cluster", true, (inputs) => Object.assign(inputs, { server: unknown })],
  ["another list of files", true, (inputs) => inputs.migrations!.pop()],
  ["outputs that are not the database's", true, (_inputs, outs) => Object.assign(outs, { fingerprint: "x" })],
  ["a migration less in the outputs", true, (_inputs, outs) => outs.applied.pop()],
];

test.each(changes)("diff with %s: changes %s", async (_what, expected, change) => {
  const { created } = await setUp();
  const { inputs, outs } = await created();
  const [news, olds] = [structuredClone(inputs), structuredClone(outs)];
  change(news, olds);
  expect(await diff("schema", olds, news)).toEqual({ changes: expected });
});

test("another password alone is no change", async () => {
  const { created, client, connection } = await setUp();
  const { inputs, outs } = await created();
  expect(await diff("schema", { ...outs, connection: { ...connection, password: "old" } }, inputs)).toEqual({
    changes: false,
  });
  await client.query("select 1");
});

test("an accepted drift is a change, and afterwards it is none", async () => {
  const { created, client } = await setUp();
  const { inputs, outs } = await created();
  await client.query("create table by_hand ()");
  const [failure] = (await check(inputs, inputs)).failures!;
  const accepting = { ...inputs, acceptDrift: /acceptDrift=(\w+)/.exec(failure!.reason)![1]! };
  expect((await check(inputs, accepting)).failures).toEqual([]);
  expect(await diff("schema", outs, accepting)).toEqual({ changes: true });
  const updated = await update("schema", outs, accepting);
  expect((await check(inputs, inputs)).failures).toEqual([]);
  expect(await diff("schema", updated.outs, inputs)).toEqual({ changes: false });
});

test("a server that is away is no change by itself", async () => {
  const { created, news } = await setUp();
  const { inputs, outs } = await created();
  const connection = await away(news.connection);
  expect(await diff("schema", { ...outs, connection }, { ...inputs, connection })).toEqual({ changes: false });
  outs.applied.pop();
  expect(await diff("schema", { ...outs, connection }, { ...inputs, connection })).toEqual({ changes: true });
});

test("read tells what the database really has, and keeps what was said when it is away", async () => {
  const { created, client, news } = await setUp();
  const { outs } = await created();
  await client.query("create table by_hand ()");
  const seen = await read("schema", outs);
  expect(seen.props).toMatchObject({ applied: outs.applied, head: outs.head });
  expect(seen.props!.fingerprint).not.toBe(outs.fingerprint);
  const gone = { ...outs, connection: await away(news.connection) };
  expect(await read("schema", gone)).toEqual({ id: "schema", props: gone });
  expect(lines.at(-1)).toMatch(/^going on without a look into the database: /);
});

test("delete leaves the schema where it is", async () => {
  const { created, client } = await setUp();
  const { outs } = await created();
  await delete_("schema", outs);
  expect((await client.query("select to_regclass('stocks')::text as stocks")).rows).toEqual([{ stocks: "stocks" }]);
});
