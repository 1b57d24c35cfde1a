import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeAll, expect, test } from "@jest/globals";
import pg from "pg";
import { createBackup, restoreBackup, verifyBackup } from "../../../toolkit/backup/backups.ts";
import { tlsOf } from "../../../toolkit/backup/clientEnvironment.ts";
import { findDataFolder } from "../../../toolkit/backup/dataFolder.ts";
import { readFacts } from "../../../toolkit/backup/facts.ts";
import { type Connection, withClient } from "../../../toolkit/connection.ts";
import { createDatabase, type TestDatabase, testServer } from "../../support/database.ts";
import { afterwards, failure, makeFolder } from "./support.ts";

let database: TestDatabase;
let plain: Connection;

beforeAll(async () => {
  database = await createDatabase();
  const role = `plain_${database.connection.database}`;
  await database.client.query(`create role ${pg.escapeIdentifier(role)} login password 'x'`);
  afterwards(async () => {
    await database.drop();
    await withClient(testServer(), {}, (client) => client.query(`drop role ${pg.escapeIdentifier(role)}`));
  });
  plain = { ...database.connection, user: role, password: "x" };
});

const path = process.env.PATH;
afterEach(() => {
  process.env.PATH = path;
});

const obstacle = (connection: Connection) => withClient(connection, {}, (client) => findDataFolder(client));

test("a superuser of a server on this machine may copy its files", async () => {
  const { rows } = await database.client.query("select current_setting('data_directory') as path");
  expect(await obstacle(database.connection)).toEqual({ path: rows[0].path });
});

test("each thing that is in the way of a copy of the files is named", async () => {
  const role = pg.escapeIdentifier(plain.user);
  const seen: unknown[] = [await obstacle(plain)];
  await database.client.query(`grant pg_read_all_settings to ${role}`);
  seen.push(await obstacle(plain));
  await database.client.query(`grant execute on function pg_backup_start to ${role}`);
  seen.push(await obstacle(plain));
  await database.client.query(`alter role ${role} replication`);
  seen.push("path" in (await obstacle(plain)));
  await database.client.query("revoke execute on function pg_control_system() from public");
  seen.push(await obstacle(plain), (await withClient(plain, {}, readFacts)).systemIdentifier);
  await database.client.query(`revoke pg_read_all_settings from ${role}`);
  await database.client.query(`revoke execute on function pg_backup_start from ${role}`);
  await database.client.query(`alter role ${role} noreplication`);
  expect(seen).toEqual([
    { obstacle: "the role may not see where the data folder is (it lacks pg_read_all_settings)" },
    { obstacle: "the role may not execute pg_backup_start" },
    { obstacle: "the role may not keep the write-ahead log (it lacks REPLICATION)" },
    true,
    { obstacle: "the role may not execute pg_control_system" },
    "",
  ]);
});

test("a server that cannot be backed up from here says what is missing, and leaves nothing", async () => {
  const { rows } = await database.client.query(`select split_part(version(), ' ', 2) as version`);
  const target = { kind: "auto" as const, directory: join(await makeFolder(), "backups") };
  const message = await failure(createBackup(plain, target, { reason: "none", say() {} }));
  // The programs that are installed differ from machine to machine.
  expect(message.replace(/there is no pg_dump on PATH|the newest pg_dump here is \d+/, "PG_DUMP")).toBe(
    "there is no way to back this server up from here\n" +
      "  why: Its files cannot be copied: the role may not see where the data folder is (it lacks pg_read_all_settings). " +
      `And it cannot be dumped: PG_DUMP, and the server is ${rows[0].version}.\n` +
      "  fix: Install pg_dump 17 or later (Debian: postgresql-client-17), or do without a backup: database:backupBefore: false.",
  );
  await expect(readdir(target.directory)).rejects.toThrow("ENOENT");
});

test("a backup that is not there is not looked for elsewhere", async () => {
  const target = { kind: "auto" as const, directory: await makeFolder() };
  for (const id of ["none", "../etc", "."])
    expect(await failure(verifyBackup(target, id, { say() {} }))).toBe(
      `there is no backup ${id}\n  fix: There is none at all yet: \`toolkit backups create\` makes one.`,
    );
  expect(await failure(restoreBackup(plain, target, "none", { say() {} }))).toContain("there is no backup none");
});

test("libpq is told to demand of TLS what the connection demands", () => {
  expect(tlsOf({ host: "127.0.0.1" })).toEqual({ mode: "disable" });
  expect(tlsOf({ host: "db.example.com", ssl: false })).toEqual({ mode: "disable" });
  expect(tlsOf({ host: "db.example.com" })).toEqual({
    mode: "verify-full",
    certificates: expect.stringContaining("BEGIN"),
  });
  expect(tlsOf({ host: "db.example.com", ssl: "rds" })).toMatchObject({ mode: "verify-full" });
  expect(tlsOf({ host: "h", ssl: { rejectUnauthorized: false } })).toEqual({ mode: "require" });
  expect(tlsOf({ host: "h", ssl: { ca: "mine" } })).toEqual({ mode: "verify-full", certificates: "mine" });
});
