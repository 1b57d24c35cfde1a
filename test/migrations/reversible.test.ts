import { readdirSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { applyMigrations } from "../../toolkit/migrate/apply.ts";
import { schemaLines } from "../../toolkit/migrate/fingerprint.ts";
import { revertMigrations } from "../../toolkit/migrate/rollback.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { contents, fillTables } from "./sample.ts";

const directory = "migrations";
const names = readdirSync(directory)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.replace(/\.ts$/, ""))
  .sort();

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const up = (to: string) => applyMigrations(database.connection, { directory, to });
const down = () => revertMigrations(database.connection, { directory });
const schema = () => schemaLines(database.client);
const rows = () => contents(database.client);

test("migrations are numbered one after the other", () => {
  expect(names.map((name) => Number(name.slice(0, 4)))).toEqual(names.map((_, index) => index + 1));
});

test("the first migration, undone, leaves nothing, and gives the same when it is done again", async () => {
  const before = await schema();
  await up(names[0]!);
  const after = await schema();
  await down();
  expect(await schema()).toEqual(before);
  await up(names[0]!);
  expect(await schema()).toEqual(after);
  await fillTables(database.client);
});

test.each(names.slice(1))("%s: up, down and up give the same schema, with every row", async (name) => {
  const [before, present] = [await schema(), await rows()];
  await up(name);
  const after = await schema();
  expect(after).not.toEqual(before);
  expect(await rows()).toEqual(present);
  await down();
  expect(await schema()).toEqual(before);
  expect(await rows()).toEqual(present);
  await up(name);
  expect(await schema()).toEqual(after);
  expect(await rows()).toEqual(present);
});

test("all the way down and up again gives the head's schema", async () => {
  const head = await schema();
  await revertMigrations(database.connection, { directory, count: names.length });
  await applyMigrations(database.connection, { directory });
  expect(await schema()).toEqual(head);
});
