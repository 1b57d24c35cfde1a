import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { loadConfig } from "../../infra/config.ts";
import { rules } from "../../infra/configKeys.ts";

function mistakesOf(values: Record<string, string>): string {
  try {
    loadConfig(values);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("the configuration was accepted");
}

afterEach(() => {
  delete process.env.DATABASE_URL;
});

test("Pulumi.yaml declares the same keys, types and defaults as the program reads", () => {
  const declared = parse(readFileSync("Pulumi.yaml", "utf8")).config as Record<
    string,
    { type: string; default: unknown }
  >;
  const expected = Object.entries(rules).map(([key, rule]) => [key, rule.type, rule.default]);
  expect(Object.entries(declared).map(([key, { type, default: value }]) => [key, type, value])).toEqual(expected);
});

test("every default is valid", () => {
  expect(loadConfig({})).toMatchObject({ server: "embedded", version: 17, name: "investment", finalBackup: true });
});

test("the memory of the machine is shared by percentage", () => {
  const [half, quarter] = ["50", "25"].map((share) => loadConfig({ "database:memoryPercent": share }).machine.memory);
  expect(half! / quarter!).toBeCloseTo(2, 5);
});

test("all mistakes are listed at once, each with key, value, reason and fix", () => {
  const message = mistakesOf({
    "database:server": "oracle",
    "database:port": "eighty",
    "database:maxConnections": "3",
    "database:name": "My Database",
    "database:servr": "rds",
    "aws:region": "eu-central-1",
  });
  expect(message.split("\n").slice(1)).toEqual([
    expect.stringMatching(/^ {2}database:servr = rds: there is no such key; use one of server, version/),
    "  database:server = oracle: it is none of embedded, external, rds; set it to one of them",
    "  database:name = My Database: it does not have the form ^[a-z_][a-z0-9_]{0,62}$; write it like investment",
    "  database:port = eighty: it is not of type integer; write an integer",
    "  database:maxConnections = 3: it is not between 10 and 5000; give a number of sessions in that range",
  ]);
});

test.each([
  ["an external server without an address", { "database:server": "external" }, /database:url = "": .*no address/],
  [
    "a URL of another database",
    { "database:server": "external", "database:url": "mysql://u:geheim@h/d" },
    /not postgres:/,
  ],
  [
    "an embedded server of another version",
    { "database:version": "16" },
    /the embedded PostgreSQL of this project is 17/,
  ],
  ["a parameter that is a list", { "database:parameters": '{"work_mem":["1MB"]}' }, /work_mem is not a parameter/],
  [
    "storage that shrinks",
    { "database:server": "rds", "database:maxAllocatedStorage": "50" },
    /below allocatedStorage/,
  ],
  ["one subnet", { "database:server": "rds", "database:subnetIds": '["subnet-1a"]' }, /two availability zones/],
])("%s is refused", (_, values, reason) => {
  expect(mistakesOf(values as Record<string, string>)).toMatch(reason);
});

test("a password in a wrong URL is not repeated", () => {
  expect(mistakesOf({ "database:server": "external", "database:url": "mysql://u:geheim@h/d" })).not.toContain("geheim");
});

test("DATABASE_URL serves an external stack that has no url", () => {
  process.env.DATABASE_URL = "postgres://u:p@127.0.0.1/d";
  expect(loadConfig({ "database:server": "external" }).url).toBeDefined();
});
