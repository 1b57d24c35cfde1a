import { expect, test } from "@jest/globals";
import { load } from "../../../toolkit/load/load.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { useFolder } from "./folder.ts";
import { createPriceDatabase } from "./tables.ts";

const files = useFolder();

test("a database without the tables is refused", async () => {
  const database = await createDatabase();
  expect(await failure(database)).toBe(
    "1 the database has no tables stocks and price_history\n" +
      "  why: The migrations have not been applied to it.\n" +
      "  fix: Run `npm run up` first, or name the right database.",
  );
  await database.drop();
});

test("a database that is read-only is refused", async () => {
  const database = await createPriceDatabase("plain");
  await database.client.query(`alter database ${database.connection.database} set default_transaction_read_only = on`);
  expect(await failure(database)).toBe(
    "1 A.csv cannot be loaded here: the server is read-only\n" +
      "  why: cannot execute CREATE SCHEMA in a read-only transaction\n" +
      "  fix: Name the primary server instead of a standby.",
  );
  await database.drop();
});

test("a user without rights is refused with what is missing", async () => {
  const database = await createPriceDatabase("partitioned");
  const user = `reader_${database.connection.database}`;
  await database.client.query(`create role ${user} login password 'geheim'`);
  expect(await failure({ ...database, connection: { ...database.connection, user, password: "geheim" } })).toBe(
    "1 this user may not load A.csv\n" +
      `  why: permission denied for schema deploy\n` +
      "  fix: Use the owner of the tables, or grant what is missing; the journal of loads is in the schema deploy.",
  );
  await database.client.query(`drop role ${user}`);
  await database.drop();
});

/** The exit code and the message with which a small file is refused. */
async function failure({ connection }: TestDatabase): Promise<string> {
  const error = await load(connection, files.write("A.csv", "date,close", "2000-01-31,1")).catch((thrown) => thrown);
  return `${error.exitCode} ${files.cut(error.message)}`;
}
