import { appendFile, cp, mkdir, open, readdir, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { withClient } from "../../../toolkit/connection.ts";
import { findBinaries } from "../../../toolkit/server/binaries.ts";
import { startServer, stopServer } from "../../../toolkit/server/control.ts";
import { exists } from "../../../toolkit/server/files.ts";
import type { ServerInputs, ServerOutputs } from "../../../toolkit/server/properties.ts";
import { check, create, delete_, diff } from "../../../toolkit/server/resource.ts";
import { serverUser } from "../../../toolkit/server/systemUser.ts";
import { ask, inChild, killServer, makeStack, printed, type Stack, startTime, until } from "./stack.ts";

/** One server that is removed and restored: each test takes it from where the one before left it. */
let stack: Stack;
let made: { id: string; outs: ServerOutputs };
let backup: string;

beforeAll(async () => {
  stack = await makeStack();
  made = (await printed(() => create(stack.inputs))).result;
  await withClient(made.outs.connection, {}, (client) => client.query("create table kept as select 42 as answer"));
});
afterAll(() => stack.remove());

const remove = (finalBackup: boolean) => printed(() => delete_(made.id, { ...made.outs, finalBackup }));
const answer = () => ask(made.outs.connection, "select answer from kept");
const backups = () => readdir(join(stack.inputs.directory, "backups"));

test("a data folder that belongs to another resource is left alone", async () => {
  const left = `${stack.data} belongs to another server by now: it is left alone`;
  expect((await printed(() => delete_("7000000000000000000-00000000", made.outs))).text).toBe(left);
  // A replacement creates first: the new resource adopts the data, and the old one's end must not take it along.
  const replaced = made;
  made = (await printed(() => create(stack.inputs))).result;
  expect(made.outs.systemIdentifier).toBe(replaced.outs.systemIdentifier);
  expect((await printed(() => delete_(replaced.id, replaced.outs))).text).toBe(left);
  expect(await answer()).toEqual({ answer: 42 });
});

test("a final backup that cannot be whole leaves the data", async () => {
  const link = join(stack.data, "pg_tblspc/16999");
  await symlink("/nonexistent", link);
  const { result, text } = await printed(() =>
    delete_(made.id, { ...made.outs, finalBackup: true }).catch((e: Error) => e.message),
  );
  expect(result).toContain(`the data folder is not whole without what ${link} leads to`);
  expect(text).not.toContain("final backup");
  await rm(link);
  expect(await answer()).toEqual({ answer: 42 });
  expect(await exists(join(stack.inputs.directory, "backups"))).toBe(false);
});

test("destroy keeps a final backup and removes everything else", async () => {
  const { text } = await remove(true);
  [backup = ""] = /\S*backups\/final-\d{8}T\d{6}Z/.exec(text) ?? [];
  expect(text).toBe(
    `stopping the server\nfinal backup: ${backup}\nto start from it: up -c database:restoreFrom=${backup}`,
  );
  expect(await readdir(stack.inputs.directory)).toEqual(["backups"]);
  expect((await readdir(backup)).sort()).toEqual(["data", "manifest.json"]);
  expect(await exists(join(backup, "data/postmaster.pid"))).toBe(false);
  expect(await printed(() => delete_(made.id, made.outs))).toEqual({ result: undefined, text: "" });
});

test("a backup that was damaged is refused, and nothing is made of it", async () => {
  const damaged = `${backup}-damaged`;
  await cp(backup, damaged, { recursive: true });
  await appendFile(join(damaged, "data/PG_VERSION"), "0");
  const inputs = { ...stack.inputs, restoreFrom: damaged };
  const [failure] = (await check({}, inputs)).failures!;
  expect(failure!.property).toBe("restoreFrom");
  expect(failure!.reason).toContain(`the backup ${damaged} is not whole`);
  // Same size, other content: only the checksum tells.
  await rm(damaged, { recursive: true });
  await cp(backup, damaged, { recursive: true });
  await rm(join(damaged, "data/pg_ident.conf"));
  await cp(join(backup, "data/pg_ident.conf"), join(damaged, "data/pg_ident.conf"));
  const file = await open(join(damaged, "data/pg_ident.conf"), "r+");
  await file.write("X", 0);
  await file.close();
  expect((await check({}, inputs)).failures).toEqual([]);
  await expect(printed(() => create(inputs))).rejects.toThrow("checksum");
  expect((await readdir(stack.inputs.directory)).filter((name) => name.startsWith("data"))).toEqual([]);
  await rm(damaged, { recursive: true });
});

test("up starts from the backup, with every row, also after a kill half-way", async () => {
  const inputs: ServerInputs = { ...stack.inputs, restoreFrom: backup };
  expect((await check({}, inputs)).failures).toEqual([]);
  const { child, finished } = inChild("create", [inputs]);
  await until(async () => (await readdir(stack.inputs.directory)).some((name) => name.startsWith("data.partial-")));
  child.kill("SIGKILL");
  await finished;
  made = (await printed(() => create(inputs))).result;
  expect(await answer()).toEqual({ answer: 42 });
  expect((await readdir(stack.inputs.directory)).filter((name) => name.startsWith("data"))).toEqual(["data"]);
});

test("the same restoreFrom is passed over from then on, also when the backup is gone", async () => {
  const inputs: ServerInputs = { ...stack.inputs, restoreFrom: backup };
  const before = await startTime(made.outs.connection);
  const first = await printed(() => check(made.outs, inputs));
  expect(first.result.failures).toEqual([]);
  expect(first.text).toBe(`restoreFrom is passed over: the server was restored from ${backup} already`);
  await rename(backup, `${backup}.away`);
  expect((await printed(() => check(made.outs, inputs))).result.failures).toEqual([]);
  await rename(`${backup}.away`, backup);
  expect((await printed(() => diff(made.id, made.outs, inputs))).result).toEqual({ changes: false });
  expect(await startTime(made.outs.connection)).toBe(before);
});

test("another restoreFrom is refused while there is data", async () => {
  const other = join(stack.folder, "final-20200101T000000Z");
  await mkdir(other);
  const { failures } = await check(made.outs, { ...stack.inputs, restoreFrom: other });
  expect(failures).toEqual([
    {
      property: "restoreFrom",
      reason:
        `there is a data folder already, which does not come from the backup ${other}\n` +
        `  why: ${stack.data} would have to be overwritten, and that never happens.\n` +
        "  fix: Remove database:restoreFrom to keep that data, or run `destroy` first (it keeps a final backup of it).",
    },
  ]);
});

test("the folder of a server cannot change while its data is there", async () => {
  const directory = join(stack.folder, "elsewhere");
  const failures = (await check(made.outs, { ...stack.inputs, directory })).failures!;
  expect(failures.map(({ property }) => property)).toContain("directory");
  expect(failures[0]!.reason).toContain(`Its data is in ${stack.data}.`);
});

test("a destroy killed between the backup and the end of the data makes no second backup", async () => {
  await killServer(stack.data);
  const outs = { ...made.outs, finalBackup: true };
  const before = (await backups()).length;
  // Twice: the data that the first destroy removed comes back, as if it had been killed before it did so.
  const user = await serverUser(stack.data);
  const log = join(stack.inputs.directory, "postgresql.log");
  const cluster = { data: stack.data, log, binaries: await findBinaries(user), user };
  await printed(() => startServer(cluster));
  await stopServer(cluster);
  await cp(stack.data, `${stack.data}.copy`, { recursive: true });
  const first = await printed(() => delete_(made.id, outs));
  await rename(`${stack.data}.copy`, stack.data);
  const second = await printed(() => delete_(made.id, outs));
  expect(second.text).toBe(first.text);
  expect(await backups()).toHaveLength(before + 1);
});
