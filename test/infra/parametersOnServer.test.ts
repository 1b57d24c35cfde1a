import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { embeddedSettings, parameters } from "../../infra/parameters.ts";
import { findBinaries } from "../../toolkit/server/binaries.ts";
import { checkSettings } from "../../toolkit/server/checkSettings.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

interface Setting {
  name: string;
  unit: string | null;
  context: string;
}

const GiB = 1024 ** 3;
const machines = [
  { memory: GiB / 4, cpus: 1, maxConnections: 10 },
  { memory: 8 * GiB, cpus: 4, maxConnections: 100 },
  { memory: 512 * GiB, cpus: 128, maxConnections: 5000 },
];
const embedded = parameters.filter(({ name }) => !name.startsWith("rds."));

let database: TestDatabase;
let settings: Map<string, Setting>;

beforeAll(async () => {
  database = await createDatabase();
  const { rows } = await database.client.query<Setting>("select name, unit, context from pg_settings");
  settings = new Map(rows.map((row) => [row.name, row]));
});
afterAll(() => database.drop());

test("PostgreSQL knows each parameter of the table, with its unit", () => {
  const claimed = embedded.map(({ name, unit }) => ({ name, unit: unit ?? null }));
  const known = embedded.map(({ name }) => ({ name, unit: settings.get(name)?.unit ?? null }));
  expect(embedded.filter(({ name }) => !settings.has(name))).toEqual([]);
  expect(claimed).toEqual(known);
});

test("exactly the parameters that take a restart are static in the table", () => {
  const claimed = embedded.map(({ name, static: isStatic }) => ({ name, static: Boolean(isStatic) }));
  const known = embedded.map(({ name }) => ({ name, static: settings.get(name)?.context === "postmaster" }));
  expect(claimed).toEqual(known);
});

test.each(machines)("PostgreSQL takes every value for a machine of %j", async (machine) => {
  expect(await checkSettings(await findBinaries(), embeddedSettings(17, machine))).toEqual([]);
});
