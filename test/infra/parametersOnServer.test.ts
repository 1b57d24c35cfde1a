import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { embeddedSettings, parameters, rdsParameters } from "../../infra/parameters.ts";
import { findBinaries } from "../../toolkit/server/binaries.ts";
import { checkSettings } from "../../toolkit/server/checkSettings.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

interface Setting {
  name: string;
  unit: string | null;
  context: string;
  vartype: string;
  min_val: string | null;
  max_val: string | null;
  enumvals: string[] | null;
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
  // Loaded with the server of a stack; here its parameters are known once a session has loaded it.
  await database.client.query("load 'auto_explain'");
  const { rows } = await database.client.query<Setting>(
    "select name, unit, context, vartype, min_val, max_val, enumvals from pg_settings",
  );
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

test("what the RDS parameter group sets is in the range of this PostgreSQL", () => {
  // Formulas of the instance class, and what only RDS knows, cannot be looked up here.
  const group = rdsParameters(17).filter(({ name, value }) => !name.startsWith("rds.") && !value.startsWith("{"));
  expect(group.length).toBeGreaterThan(20);
  expect(group.filter(({ name, value }) => !allows(settings.get(name)!, value))).toEqual([]);
  expect(allows(settings.get("random_page_cost")!, "-1")).toBe(false);
});

test.each(machines)("PostgreSQL takes every value for a machine of %j", async (machine) => {
  expect(await checkSettings(await findBinaries(), embeddedSettings(17, machine))).toEqual([]);
});

/** Whether a setting takes a value that is given in its base unit. */
function allows({ vartype, min_val, max_val, enumvals }: Setting, value: string): boolean {
  switch (vartype) {
    case "integer":
    case "real":
      return Number(value) >= Number(min_val) && Number(value) <= Number(max_val);
    case "bool":
      return value === "0" || value === "1";
    case "enum":
      // RDS writes 1 for an enum's "on", as PostgreSQL reads it.
      return enumvals!.includes(value) || (value === "1" && enumvals!.includes("on"));
    default:
      return true;
  }
}
