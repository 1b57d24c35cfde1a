import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Connection } from "../../../toolkit/connection.ts";
import { check, create, delete_, diff, read, update } from "../../../toolkit/server/externalResource.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { freePort } from "../../support/server.ts";
import { printed } from "./stack.ts";

let database: TestDatabase;
let connection: Connection;
const minimumVersion = 15;

beforeAll(async () => {
  database = await createDatabase();
  connection = database.connection;
});
afterAll(async () => {
  await database.client.query("drop role if exists modest");
  await database.drop();
});

async function refusal(changes: Partial<Connection>, least = minimumVersion) {
  const news = { connection: { ...connection, ...changes }, minimumVersion: least };
  const { failures } = await check({}, news);
  expect(failures).toHaveLength(1);
  expect(failures![0]!.property).toBe("connection");
  expect(failures![0]!.reason).not.toContain(news.connection.password);
  await expect(create(news)).rejects.toThrow(failures![0]!.reason);
  return failures![0]!.reason;
}

test("a server that can be used is adopted, and described", async () => {
  const inputs = { connection, minimumVersion };
  expect(await check(undefined, inputs)).toEqual({ inputs });
  const { rows } = await database.client.query<{ id: string; version: string }>(
    "select system_identifier::text as id, current_setting('server_version') as version from pg_control_system()",
  );
  const { id, version } = rows[0]!;
  const made = await create(inputs);
  expect(made).toEqual({
    id: `${id}/${connection.database}`,
    outs: { ...inputs, serverVersion: version, systemIdentifier: id },
  });
  expect(await printed(() => diff(made.id, made.outs, inputs))).toEqual({ result: { changes: false }, text: "" });
  expect(await read(made.id, made.outs)).toEqual({ id: made.id, props: made.outs });
});

test("a wrong password is refused", async () => {
  expect(await refusal({ password: "not-the-password" })).toBe(
    `cannot connect to 127.0.0.1:${connection.port}/${connection.database} as postgres: the password is not accepted\n` +
      '  why: password authentication failed for user "postgres"\n' +
      "  fix: Correct the user or its password.",
  );
});

test("a server that cannot be reached is refused", async () => {
  const port = await freePort();
  const [what, why, fix] = (await refusal({ port })).split("\n");
  expect(what).toBe(`cannot connect to 127.0.0.1:${port}/${connection.database} as postgres: no PostgreSQL answers`);
  // Jest's own Error class makes the reason begin with the class's name.
  expect(why).toMatch(new RegExp(`^ {2}why: (Error: )?connect ECONNREFUSED 127\\.0\\.0\\.1:${port}$`));
  expect(fix).toBe("  fix: Start the server, or correct the host and port.");
});

test("a server of an older major version is refused", async () => {
  const { rows } = await database.client.query<{ version: string }>(
    "select current_setting('server_version') as version",
  );
  expect(await refusal({}, 99)).toBe(
    `the server at 127.0.0.1:${connection.port} is PostgreSQL ${rows[0]!.version}\n` +
      "  why: database:minimumVersion asks for 99 or later.\n" +
      "  fix: Upgrade the server, or set database:minimumVersion to 17 if it is one of the versions allowed.",
  );
});

test("an address that is not known yet is not looked at", async () => {
  const news = { connection: "04da6b54-80e4-46f7-96ec-b56ff0331ba9" as unknown as Connection, minimumVersion };
  expect(await check({}, news)).toEqual({ inputs: news });
});

test("a user who may not ask for the system identifier gets none, and the address stands for it", async () => {
  await database.client.query("create role modest login password 'modest'");
  // As hosted PostgreSQL does.
  await database.client.query("revoke execute on function pg_control_system() from public");
  const inputs = { connection: { ...connection, user: "modest", password: "modest" }, minimumVersion };
  const made = await create(inputs);
  expect(made.outs.systemIdentifier).toBeNull();
  expect(made.id).toBe(`127.0.0.1:${connection.port}/${connection.database}`);
});

test("another password is an update, another database another resource", async () => {
  const made = await create({ connection, minimumVersion });
  await database.client.query("create role modest_too superuser login password 'x'");
  const renamed = { connection: { ...connection, user: "modest_too", password: "x" }, minimumVersion };
  const { result, text } = await printed(() => diff(made.id, made.outs, renamed));
  expect({ result, text }).toEqual({ result: { changes: true }, text: "the connection has changed" });
  expect((await update(made.id, made.outs, renamed)).outs.connection).toEqual(renamed.connection);
  await database.client.query("drop role modest_too");
  const elsewhere = { connection: { ...connection, database: "postgres" }, minimumVersion };
  expect((await printed(() => diff(made.id, made.outs, elsewhere))).result).toEqual({
    changes: true,
    replaces: ["connection"],
    deleteBeforeReplace: false,
  });
});

test("delete leaves the server as it is", async () => {
  const made = await create({ connection, minimumVersion });
  await database.client.query("create table kept ()");
  const { text } = await printed(() => delete_(made.id, made.outs));
  expect(text).toBe(`127.0.0.1:${connection.port}/${connection.database} is left as it is, with its data`);
  expect((await database.client.query("select to_regclass('kept')::text as found")).rows).toEqual([{ found: "kept" }]);
});
