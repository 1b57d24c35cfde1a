import { readdirSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  type Backup,
  createBackup,
  listBackups,
  restoreBackup,
  verifyBackup,
} from "../../../toolkit/backup/backups.ts";
import { type Connection, connect } from "../../../toolkit/connection.ts";
import { readBackup } from "../../../toolkit/server/finalBackup.ts";
import { ask, printed, until } from "../server/stack.ts";
import { findDumpable, makePlainServer } from "./plainServer.ts";
import { createInChild, execute, failure, listener, makeFolder, writeInChild } from "./support.ts";

const binaries = await findDumpable();
// A machine without pg_dump, or without a server that it may dump, shows these as skipped, not as passed.
const here = binaries ? describe : describe.skip;

/** The command lines of every process, one each. */
const commandLines = () =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      } catch {
        return [];
      }
    });

here(`a server of which only pg_dump can make a backup`, () => {
  let app: Connection;
  let superuser: Connection;
  let target: { kind: "auto"; directory: string };
  let backup: Backup;

  beforeAll(async () => {
    ({ app, superuser } = await makePlainServer(binaries!));
    target = { kind: "auto", directory: join(await makeFolder(), "backups") };
    await execute(
      app,
      `create table stocks (symbol text primary key, name text not null);
       insert into stocks select 'S' || number, 'stock ' || number from generate_series(1, 300) as number;
       create table prices (symbol text references stocks, day date not null, close numeric) partition by range (day);
       create table prices_2026 partition of prices for values from ('2026-01-01') to ('2027-01-01');
       insert into prices select 'S1', '2026-01-01'::date + number, number from generate_series(1, 200) as number;
       create view closes as select symbol, close from prices;
       create table pgmigrations (id serial primary key, name text, run_on timestamp);
       insert into pgmigrations (name, run_on) values ('0001_first', now()), ('0002_second', now());
       create table written (id bigint generated always as identity primary key, filler text);
       create table twin (id bigint);
       create schema deploy; create table deploy.note (id int)`,
    );
  });

  test("it is dumped while it is written to, with the rows of the dump's own snapshot", async () => {
    const { lines, say } = listener();
    const writer = writeInChild(superuser);
    const written = async () => (await ask<{ rows: number }>(app, "select count(*)::int as rows from written")).rows;
    await until(async () => (await written()) > 50);
    const before = await written();
    backup = await createBackup(app, target, { reason: "before a test", say });
    writer.child.kill("SIGKILL");
    await writer.finished;
    expect(await written()).toBeGreaterThan(before);
    expect(backup).toMatchObject({
      method: "dump",
      database: "investment",
      serverVersion: binaries!.version,
      head: "0002_second",
      rows: {
        "deploy.note": 0,
        "public.pgmigrations": 2,
        "public.prices": 200,
        "public.stocks": 300,
        "public.twin": expect.any(Number),
        "public.written": expect.any(Number),
      },
      bounds: {},
    });
    expect(lines).toEqual([expect.stringMatching(/^backup backup-\w+-\w+: dump, [\d.]+ kB, in /)]);
    expect(await listBackups(target)).toEqual([backup]);
  });

  test("as superuser its files are copied, and run with the PostgreSQL that is installed", async () => {
    const files = { kind: "auto" as const, directory: join(await makeFolder(), "backups") };
    const physical = await createBackup(superuser, files, { reason: "test", say() {} });
    expect(physical).toMatchObject({ method: "physical", serverVersion: binaries!.version, bounds: {} });
    const verified = (await printed(() => verifyBackup(files, physical.id, { say() {} }))).result;
    expect(verified.fingerprint).toBe(backup.fingerprint);
  });

  test("it restores to the same schema and rows", async () => {
    const { result } = await printed(() => verifyBackup(target, backup.id, { say() {} }));
    const rows = Object.values(backup.rows).reduce((sum, one) => sum + one, 0);
    expect(backup.rows["public.written"]).toBe(backup.rows["public.twin"]);
    expect(result).toEqual({ id: backup.id, tables: 6, rows, fingerprint: backup.fingerprint });
  });

  test("it is restored into a new database, and over nothing", async () => {
    const { lines, say } = listener();
    const options = { database: 'in"vestment=2', say };
    const planned = await restoreBackup(app, target, backup.id, { ...options, dryRun: true });
    expect(planned.made).toBeUndefined();
    const restored = await restoreBackup(app, target, backup.id, options);
    expect(restored).toEqual({
      id: backup.id,
      made: options.database,
      next: ['alter database "in""vestment=2" rename to …    # once nobody uses the old one'],
    });
    expect(lines).toEqual([
      `would restore ${backup.id} into the new database in"vestment=2 on 127.0.0.1:${app.port}`,
      "everything in it will belong to app, who may not give it to others",
      `restored ${backup.id} into the database in"vestment=2`,
    ]);
    const copy = { ...app, database: options.database };
    expect(await ask(copy, "select count(*)::int as rows from prices")).toEqual({ rows: 200 });
    for (const database of [options.database, "investment"])
      expect(await failure(restoreBackup(app, target, backup.id, { database, say }))).toBe(
        `the database ${database} exists already\n` +
          "  why: A backup is never restored over anything.\n" +
          "  fix: Give another name, look at what is in it, and rename the databases then.",
      );
  });

  test("a superuser's restore gives objects back to their owners", async () => {
    await restoreBackup(superuser, target, backup.id, { database: "owned", say() {} });
    const owner = "select pg_get_userbyid(relowner) as owner from pg_class where relname = 'stocks'";
    expect(await ask({ ...superuser, database: "owned" }, owner)).toEqual({ owner: "app" });
  });

  test("no password is on a command line while it runs", async () => {
    if (process.platform !== "linux") return;
    const blocker = await connect(app);
    // pg_dump waits for this lock, so that there is time to look.
    await blocker.query("begin; lock table deploy.note in access exclusive mode");
    const running = createBackup(app, target, { reason: "watched", say() {} });
    await until(() => commandLines().some((line) => /pg_dump .*--snapshot=/.test(line)));
    const exposed = commandLines().filter((line) => line.includes("secret"));
    await blocker.end();
    await running;
    expect(exposed).toEqual([]);
  });

  test("a dump whose process is killed leaves no backup, and ends with it", async () => {
    const before = await listBackups(target);
    const blocker = await connect(app);
    await blocker.query("begin; lock table deploy.note in access exclusive mode");
    const { child, finished } = createInChild(app, target);
    const sessions = "select count(*)::int as number from pg_stat_activity where application_name like '%backup'";
    await until(async () => (await ask<{ number: number }>(superuser, sessions)).number === 4);
    child.kill("SIGKILL");
    await finished;
    await blocker.end();
    await until(async () => (await ask<{ number: number }>(superuser, sessions)).number === 0);
    expect(await listBackups(target)).toEqual(before);
    await createBackup(app, target, { reason: "after", say() {} });
    expect(readdirSync(target.directory).every((name) => name.startsWith("backup-"))).toBe(true);
  });

  test("a server does not start from a dump", async () => {
    const folder = join(target.directory, backup.id);
    expect(await failure(readBackup(folder))).toBe(
      `${folder} is a dump: no server starts from it\n` +
        `  fix: Restore it into a new database: toolkit backups restore ${backup.id} --database NAME.`,
    );
  });

  test("one byte that is changed is found", async () => {
    const handle = await open(join(target.directory, backup.id, "database.dump"), "r+");
    await handle.write(Buffer.from("x"), 0, 1, 500);
    await handle.close();
    const message =
      `the backup ${backup.id} is not whole\n` +
      "  why: What database.dump holds is not what the manifest's checksum says.\n" +
      "  fix: Use another backup.";
    expect(await failure(verifyBackup(target, backup.id, { say() {} }))).toBe(message);
    expect(await failure(restoreBackup(app, target, backup.id, { database: "damaged", say() {} }))).toBe(message);
  });
});
