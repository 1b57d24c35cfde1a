import { expect, test } from "@jest/globals";
import { loadConfig } from "../../../infra/config.ts";
import { tlsOf } from "../../../infra/roles/provider.ts";
import { resolved } from "../mocks.ts";
import { registerRoles } from "./server.ts";

const admin = { host: "127.0.0.1", port: 5432, database: "shop", user: "me", password: "p" };

function mistakesOf(values: Record<string, string>): string[] {
  try {
    loadConfig(values);
  } catch (error) {
    return (error as Error).message.split("\n").slice(1);
  }
  throw new Error("the configuration was accepted");
}

test("the schema waits for all of the roles, and the prices for the schema", async () => {
  const { registered } = await registerRoles(admin, "shop");
  const of = (type: string) => registered.find((resource) => resource.type.endsWith(`:${type}`))!.dependencies;
  const made = registered.filter(({ type }) => /^postgresql:index|:Role(Passwords|Remainder)$/.test(type));
  expect(of("Migrations")).toEqual(expect.arrayContaining(made.map(({ type, name }) => `${type}::${name}`)));
  expect(of("SampleData")).toEqual(expect.arrayContaining(["pulumi-nodejs:dynamic:Migrations::schema"]));
});

test("grants are made one after the other: two at once on one object fail in PostgreSQL", async () => {
  const { registered } = await registerRoles(admin, "shop");
  const chain = registered.filter(({ type }) => type.startsWith("postgresql:index"));
  expect(chain.length).toBeGreaterThan(10);
  for (const [index, { dependencies }] of chain.entries())
    if (index > 0) expect(dependencies).toContain(`${chain[index - 1]!.type}::${chain[index - 1]!.name}`);
});

test("a URL comes out for each role that logs in, and the stack's own is the migrator's", async () => {
  const { outputs } = await registerRoles(admin, "shop");
  const urls = (await resolved(outputs.roles)) as Record<string, string>;
  expect(urls).toEqual({
    migrator: "postgres://shop_migrator:geheim@127.0.0.1:5432/shop",
    application: "postgres://shop_application:geheim@127.0.0.1:5432/shop",
    readOnly: "postgres://shop_read_only:geheim@127.0.0.1:5432/shop",
    monitor: "postgres://shop_monitor:geheim@127.0.0.1:5432/shop",
  });
  expect(await resolved(outputs.connectionString)).toBe(urls.migrator);
});

test("a transform changes a role like any other child", async () => {
  const { inputsOf } = await registerRoles(admin, "shop", {
    databaseRole: (args, _options, name) => {
      if (name === "roles-monitor") args.validUntil = "2030-01-01";
    },
  });
  expect(inputsOf("postgresql:Role", "roles-monitor")).toMatchObject({
    name: "shop_monitor",
    validUntil: "2030-01-01",
  });
  expect(inputsOf("postgresql:Role", "roles-owner")).not.toHaveProperty("validUntil");
});

test("every mistake in the limits of the roles is told", () => {
  const limits =
    '{"owner":{"connectionLimit":1},"monitor":5,"application":{"conectionLimit":1,"lockTimeout":"5s"},"readOnly":{"connectionLimit":0,"statementTimeout":-1}}';
  const external = { "database:server": "external", "database:url": "postgres://u:p@127.0.0.1/d" };
  expect(mistakesOf({ ...external, "database:roles": "managed", "database:roleLimits": limits })).toEqual(
    [
      "there is no role owner that logs in; use one of migrator, application, readOnly, monitor",
      'monitor is not an object; write it like {"connectionLimit":50}',
      "there is no conectionLimit of application; use one of connectionLimit, statementTimeout, lockTimeout, idleInTransactionSessionTimeout",
      "lockTimeout of application is not an integer; write an integer",
      "connectionLimit of readOnly: it is not between 1 and 5000; give a number of sessions in that range",
      "statementTimeout of readOnly: it is not between 0 and 86400000; give milliseconds, or 0 for no limit, in that range",
    ].map((mistake) => `  database:roleLimits = ${limits}: ${mistake}`),
  );
});

test.each([
  [
    "roles on the embedded server",
    { "database:roles": "managed" },
    "roles = managed: the provider that makes them is a plugin of Pulumi's own engine, and the embedded server is on the loopback, for one user; remove it, or use another server",
  ],
  [
    "limits of roles that nobody makes",
    {
      "database:server": "external",
      "database:url": "postgres://u:p@127.0.0.1/d",
      "database:roleLimits": '{"monitor":{"connectionLimit":1}}',
    },
    'roleLimits = {"monitor":{"connectionLimit":1}}: no roles are made: roles is auto, and the server external; set roles to managed, or remove it',
  ],
  [
    "a prefix with which names are too long",
    { "database:server": "rds", "aws:region": "eu-central-1", "database:rolePrefix": "a".repeat(52) },
    `rolePrefix = ${"a".repeat(52)}: with ${"a".repeat(52)} in front, the names of roles are longer than PostgreSQL's 63 bytes; set it to at most 51 characters`,
  ],
])("%s is refused", (_, values, mistake) => {
  expect(mistakesOf(values as Record<string, string>)).toEqual([`  database:${mistake}`]);
});

test("the provider of the roles verifies the server as every other connection does", () => {
  const host = "db.example.com";
  expect(tlsOf({ host: "127.0.0.1" })).toEqual({ sslmode: "disable" });
  expect(tlsOf({ host })).toEqual({ sslmode: "verify-full" });
  expect(tlsOf({ host, ssl: { rejectUnauthorized: false } })).toEqual({ sslmode: "require" });
  expect(tlsOf({ host, ssl: { ca: "PEM" } })).toEqual({ sslmode: "verify-full", ca: "PEM" });
  expect(tlsOf({ host, ssl: "rds" }).ca).toContain("BEGIN CERTIFICATE");
});
