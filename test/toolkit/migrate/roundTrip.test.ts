import { expect, test } from "@jest/globals";
import { applyMigrations } from "../../../toolkit/migrate/apply.ts";
import { kinds } from "../../../toolkit/migrate/catalog.ts";
import { readMigrations } from "../../../toolkit/migrate/files.ts";
import { fingerprint, schemaLines } from "../../../toolkit/migrate/fingerprint.ts";
import { revertMigrations } from "../../../toolkit/migrate/rollback.ts";
import { makeDatabase } from "./support.ts";

const directory = "test/toolkit/migrate/fixtures/kinds";

test("for each migration, up, down and up give the same fingerprints, and every kind of object takes part", async () => {
  const { connection, client } = await makeDatabase();
  let before = await fingerprint(client);
  for (const { name } of await readMigrations(directory)) {
    const up = await applyMigrations(connection, { directory, to: name });
    const down = await revertMigrations(connection, { directory });
    expect([name, down.fingerprint]).toEqual([name, before]);
    const again = await applyMigrations(connection, { directory, to: name });
    expect([name, again.fingerprint]).toEqual([name, up.fingerprint]);
    expect([name, up.fingerprint]).not.toEqual([name, before]);
    before = up.fingerprint;
  }
  const lines = await schemaLines(client);
  const missing = Object.keys(kinds).filter((kind) => !lines.some((line) => line.startsWith(`${kind} `)));
  expect(missing).toEqual([]);
});
