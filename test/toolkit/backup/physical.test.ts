import { existsSync, readdirSync } from "node:fs";
import { open, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import { type Backup, createBackup, listBackups, verifyBackup } from "../../../toolkit/backup/backups.ts";
import type { Connection } from "../../../toolkit/connection.ts";
import { serverStatus } from "../../../toolkit/server/control.ts";
import { serverUser } from "../../../toolkit/server/systemUser.ts";
import { temporaryBase } from "../../support/server.ts";
import { ask, printed, until } from "../server/stack.ts";
import { createInChild, execute, failure, listener, makeServer, verifyInChild, writeInChild } from "./support.ts";

let connection: Connection;
let target: { kind: "auto"; directory: string };
let backup: Backup;

const countWritten = async () =>
  Number((await ask<{ rows: string }>(connection, "select count(*) as rows from written")).rows);
const inBackup = async () =>
  ask<{ slots: number; senders: number }>(
    connection,
    `select (select count(*)::int from pg_replication_slots) as slots,
            (select count(*)::int from pg_stat_activity where application_name = 'postgres-from-code backup') as senders`,
  );

beforeAll(async () => {
  ({ connection, target } = await makeServer());
  await execute(
    connection,
    `create table written (id bigint generated always as identity primary key, filler text);
     create table ballast as select repeat(md5(number::text), 50) as filler from generate_series(1, 5000) as number;
     create table twin (id bigint);
     create table still (id int primary key); insert into still select generate_series(1, 1000);
     create table by_month (day date not null) partition by range (day);
     create table by_month_1 partition of by_month for values from ('2026-01-01') to ('2026-02-01');
     insert into by_month select '2026-01-01'::date + number % 31 from generate_series(1, 500) as number;
     create unlogged table forgotten (id int); insert into forgotten values (1)`,
  );
});

test("a server that is written to is backed up, and the copy restores to the same schema and rows", async () => {
  const writer = writeInChild(connection);
  await until(async () => (await countWritten()) > 100);
  const { lines, say } = listener();
  const before = await countWritten();
  backup = await createBackup(connection, target, { reason: "before a test", say });
  const after = await countWritten();
  writer.child.kill("SIGKILL");
  await writer.finished;
  expect(after).toBeGreaterThan(before);
  expect(backup).toMatchObject({ method: "physical", reason: "before a test", database: "investment", head: "" });
  expect(backup.rows).toMatchObject({ "public.still": 1000, "public.by_month": 500 });
  const range = [expect.any(Number), expect.any(Number)];
  expect(backup.bounds).toEqual({ "public.twin": range, "public.written": range });
  expect(backup.bounds["public.written"]![1]).toBeGreaterThan(backup.rows["public.written"]!);
  expect(lines.at(-1)).toMatch(/^backup backup-\d{8}t\d{6}z-\w{4}: physical, [\d.]+ MB, in /);
  expect(await listBackups(target)).toEqual([backup]);
  expect(await inBackup()).toEqual({ slots: 0, senders: 0 });
  const verified = (await printed(() => verifyBackup(target, backup.id, { say }))).result;
  expect(verified).toMatchObject({ id: backup.id, tables: 5, fingerprint: backup.fingerprint });
  expect(verified.rows).toBeGreaterThan(1500 + before);
});

const drafts = () =>
  (existsSync(target.directory) ? readdirSync(target.directory) : []).filter((n) => /^\.draft/.test(n));
// What earlier kills left goes only once the next backup has begun.
let earlier: string[] = [];
const draftHas = (path: string) =>
  drafts().some((name) => !earlier.includes(name) && existsSync(join(target.directory, name, path)));

/** The moments of a backup, by what it has made so far. */
const moments: Record<string, () => boolean | Promise<boolean>> = {
  "once the server keeps its log": async () => (await inBackup()).slots > 0,
  "while the files are copied": () => draftHas("data/base"),
  "once its label is written": () => draftHas("data/backup_label"),
};

test.each(Object.entries(moments))(
  "a backup that is killed %s leaves nothing, and the next one works",
  async (_, at) => {
    earlier = drafts();
    const { child, finished } = createInChild(connection, target);
    await until(at);
    child.kill("SIGKILL");
    expect(await finished).toMatchObject({ signal: "SIGKILL" });
    expect(await listBackups(target)).toEqual([backup]);
    // The server notices at its next look at the session, and with the session go the slot and backup mode.
    await until(async () => Object.values(await inBackup()).every((number) => number === 0));
  },
);

test("what killed backups left half-made goes with the next one", async () => {
  const left = drafts();
  expect(left).not.toEqual([]);
  const next = await createBackup(connection, target, { reason: "after the kills", say() {} });
  expect((await readdir(target.directory)).sort()).toEqual([backup.id, next.id].sort());
  expect(Object.keys(next.bounds)).toEqual([]);
});

test("a server of the stack starts from it and has the rows", async () => {
  const restored = await makeServer({ restoreFrom: join(target.directory, backup.id) });
  const rows = await ask<{ still: number; months: number }>(
    restored.connection,
    "select (select count(*)::int from still) as still, (select count(*)::int from by_month) as months",
  );
  expect(rows).toEqual({ still: 1000, months: 500 });
  const written = await ask<{ rows: number; alone: number }>(
    restored.connection,
    `select count(w)::int as rows, count(*) filter (where w is null or t is null)::int as alone
       from written w full join twin t using (id)`,
  );
  expect(written.alone).toBe(0);
  const [fewest, most] = backup.bounds["public.written"]!;
  expect(written.rows).toBeGreaterThanOrEqual(fewest);
  expect(written.rows).toBeLessThanOrEqual(most);
});

test.each([
  ["SIGKILL", "the next verification removes"],
  ["SIGINT", "it removes itself"],
] as const)("the scratch server of a verification that ends by %s: %s", async (signal, _what) => {
  const base = await temporaryBase(await serverUser());
  const { child, finished } = verifyInChild(target, backup.id);
  const folders = () => readdirSync(base).filter((name) => name.startsWith("postgres-from-code-verify-"));
  const ownerOf = (name: string) => readFile(join(base, name, "run.pid"), "utf8").catch(() => "");
  let mine: string | undefined;
  await until(async () => {
    for (const name of folders()) if ((await ownerOf(name)) === String(child.pid)) mine = join(base, name);
    return mine !== undefined && existsSync(join(mine, "data/postmaster.pid"));
  });
  child.kill(signal);
  await finished;
  expect(child.exitCode).toBe(signal === "SIGINT" ? 130 : null);
  if (signal === "SIGKILL") await printed(() => verifyBackup(target, backup.id, { say() {} }));
  expect(existsSync(mine!)).toBe(false);
  expect(await serverStatus(join(mine!, "data"))).toBeUndefined();
});

test("a backup whose rows are not those that were recorded does not pass", async () => {
  const [, next] = await listBackups(target);
  const file = join(target.directory, next!.id, "manifest.json");
  const manifest = JSON.parse(await readFile(file, "utf8"));
  manifest.rows["public.still"] = 1001;
  manifest.fingerprint = "0".repeat(64);
  await writeFile(file, JSON.stringify(manifest));
  const message = await failure(printed(() => verifyBackup(target, next!.id, { say() {} })));
  expect(message).toBe(
    `what the backup ${next!.id} restores to is not what was backed up\n` +
      `  why: the schema's fingerprint is ${backup.fingerprint.slice(0, 12)}, not 000000000000; ` +
      "public.still has 1000 rows, not 1001\n" +
      "  fix: Do not rely on it: make another backup and verify that one.",
  );
});

test("one byte that is changed is found", async () => {
  const data = join(target.directory, backup.id, "data");
  const handle = await open(join(data, "global/pg_filenode.map"), "r+");
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, 100);
  byte[0]! ^= 1;
  await handle.write(byte, 0, 1, 100);
  await handle.close();
  expect(await failure(printed(() => verifyBackup(target, backup.id, { say() {} })))).toBe(
    `the backup ${join(target.directory, backup.id)} is not whole\n` +
      "  why: What its files hold is not what the manifest's checksum says.\n" +
      "  fix: Use another backup.",
  );
});
