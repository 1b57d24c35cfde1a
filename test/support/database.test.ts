import { afterAll, expect, test } from "@jest/globals";
import { connect } from "../../toolkit/connection.ts";
import { createDatabase, type TestDatabase } from "./database.ts";

const made: TestDatabase[] = [];
afterAll(() => Promise.all(made.map((database) => database.drop())));

test("an empty test database is a test's own", async () => {
  const [one, other] = [await createDatabase(), await createDatabase()];
  made.push(one, other);
  await one.client.query("create table mine (id int)");
  const seen = await other.client.query("select to_regclass('mine') as found");
  expect(seen.rows).toEqual([{ found: null }]);
});

test("drop removes the database, whoever is still in it", async () => {
  const database = await createDatabase();
  const lingering = await connect(database.connection);
  await database.drop();
  await expect(lingering.query("select 1")).rejects.toThrow();
  await expect(connect(database.connection)).rejects.toThrow("does not exist");
});
