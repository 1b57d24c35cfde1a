import { expect, test } from "@jest/globals";
import { connectionFromEnvironment, contextFromEnvironment } from "../../toolkit/environment.ts";

const refused = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("it was accepted");
};

test("libpq's variables name a database as a URL does, any password included, and one on RDS is verified", () => {
  const PGHOST = "database-prod.abc.eu-central-1.rds.amazonaws.com";
  const login = { PGHOST, PGUSER: "in vestment", PGPASSWORD: "a:b/c@d%e#f?g", PGDATABASE: "invest/ment" };
  expect(connectionFromEnvironment({ ...login, PGSSLMODE: "verify-full" })).toEqual({
    ...{ host: PGHOST, port: 5432, user: "in vestment", password: "a:b/c@d%e#f?g", database: "invest/ment" },
    ssl: "rds",
  });
  expect(connectionFromEnvironment({ PGHOST: "::1", PGPORT: "5433", PGUSER: "me" })).toEqual({
    ...{ host: "::1", port: 5433, user: "me", password: "", database: "me" },
  });
  expect(connectionFromEnvironment({ ...login, DATABASE_URL: "postgres://u:p@h/d" })).toMatchObject({ host: "h" });
});

test("what is missing or wrong in them is told, and no password", () => {
  const login = { PGHOST: "db.example.com", PGUSER: "u", PGPASSWORD: "geheim" };
  const told = [
    {},
    { PGHOST: "h" },
    { ...login, PGHOST: "/var/run/postgresql" },
    { ...login, PGPORT: "https" },
    { ...login, PGSSLMODE: "prefer" },
  ].map((variables) => refused(() => connectionFromEnvironment(variables)));
  expect(told.map((text) => text.split("\n")[0])).toEqual([
    "there is no database to talk to: neither DATABASE_URL nor PGHOST is set",
    "PGHOST is set, and PGUSER is not",
    "PGHOST=/var/run/postgresql is a folder",
    "PGPORT=https is not a port",
    "sslmode=prefer in the database URL is not supported",
  ]);
  expect(told.join()).not.toContain("geheim");
});

test("TOOLKIT_CONTEXT says what a stack would: its backups, how many stay, its limits", () => {
  const context = {
    backup: { kind: "rds", instanceIdentifier: "database-prod", region: "eu-central-1" },
    keptBackups: { count: 5, days: 14 },
    thresholds: { "connections.usedPercent": 70 },
  };
  expect(contextFromEnvironment({ TOOLKIT_CONTEXT: JSON.stringify(context) })).toEqual(context);
  expect(contextFromEnvironment({})).toEqual({ backup: { kind: "auto", directory: ".local/backups" } });
  const reasons = [
    '{"a":',
    "[]",
    '{"backups":1}',
    '{"backup":{"kind":"rds"}}',
    '{"keptBackups":{"count":0,"days":1}}',
  ].map((text) => refused(() => contextFromEnvironment({ TOOLKIT_CONTEXT: text })).split("\n")[1]);
  expect(reasons).toEqual([
    expect.stringMatching(/^ {2}why: It is not JSON: /),
    "  why: It is not an object.",
    "  why: It has no backups.",
    "  why: backup is neither a folder of this machine nor an RDS instance.",
    "  why: keptBackups has no count and days from 1 on.",
  ]);
});
