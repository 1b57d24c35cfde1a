import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { connectionString, withClient } from "../../../toolkit/connection.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { until } from "../monitor/support.ts";
import { all, run, slowTable, stepsOf } from "./support.ts";

let database: TestDatabase;
let folder: string;
// A byte per second: vacuum sleeps at every page.
const slowly = { only: ["vacuum", "analyze"], writeRate: 1 };

beforeAll(async () => {
  [database, folder] = [await createDatabase(), await mkdtemp(join(tmpdir(), "maintain-"))];
  await all(database.client, slowTable);
});
afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true });
});

const vacuuming = () =>
  until(async () => {
    const { rowCount } = await database.client.query(
      "select from pg_stat_progress_vacuum where relid = 'slow'::regclass and datname = current_database()",
    );
    return rowCount === 1;
  });

test("an ALTER TABLE that waits for a vacuum gets through, for the vacuum gives way", async () => {
  const stop = { soon: false, now: false };
  const maintained = run(database, { ...slowly, stop });
  await vacuuming();
  await withClient(database.connection, { statementTimeout: 5_000 }, (other) =>
    other.query("alter table slow add column added int"),
  );
  stop.soon = true;
  const report = await maintained;
  expect(stepsOf(report)).toEqual([["vacuum", "public.slow", "yielded"]]);
  expect(report).toMatchObject({
    interrupted: true,
    steps: [{ note: expect.stringMatching(/^session \d+ waited for it$/) }],
  });
});

test("the budget ends what runs, and what has not begun", async () => {
  const report = await run(database, { ...slowly, budget: 1_000 });
  expect(stepsOf(report)).toEqual([
    ["vacuum", "public.slow", "out of time"],
    ["analyze", "public.slow", "out of time"],
  ]);
  const { rows } = await database.client.query(
    "select from pg_stat_activity where application_name like '%maintain' and datname = current_database()",
  );
  expect(rows).toEqual([]);
});

test("a rebuild that the budget ends leaves no invalid index behind", async () => {
  await all(database.client, [
    "create table hollow (id int) with (autovacuum_enabled = off)",
    "insert into hollow select generate_series(1, 20000)",
    "create index on hollow (id)",
    "delete from hollow where id % 10 <> 0",
    "vacuum analyze hollow",
  ]);
  await withClient(database.connection, {}, async (other) => {
    // A rebuild waits for the end of every transaction that is older.
    await all(other, ["begin isolation level repeatable read", "select from pg_class limit 1"]);
    const limits = { "bloat.bloatBytes": 100_000 };
    const report = await run(database, { only: ["reindex"], limits, budget: 1_500 });
    expect(stepsOf(report)).toEqual([["reindex", "public.hollow_id_idx", "out of time"]]);
    await other.query("rollback");
  });
  const { rows } = await database.client.query(
    "select indexrelid::regclass::text as name, indisvalid as valid from pg_index where indrelid = 'hollow'::regclass",
  );
  expect(rows).toEqual([{ name: "hollow_id_idx", valid: true }]);
  await database.client.query("drop table hollow");
});

/** Runs the command as a user does. */
function toolkit(...args: string[]): {
  child: ChildProcess;
  said: (text: string) => Promise<void>;
  talk: () => string;
} {
  const env = { ...process.env, DATABASE_URL: connectionString(database.connection), NO_COLOR: "1" };
  const child = spawn(process.execPath, ["toolkit/cli.ts", "maintain", ...args], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const said = async (text: string) => void (await until(async () => stderr.includes(text)));
  return { child, said, talk: () => stderr };
}

test("Ctrl-C ends it with 130 and a report, and meanwhile no second run begins", async () => {
  // Vacuums that were cut short have cleaned pages before: there has to be something to do for some seconds.
  await all(database.client, ["delete from slow where id % 4 = 1", "checkpoint"]);
  const { child, said, talk } = toolkit("--only", "vacuum", "--io", "1MB", "--reports", folder, "--json");
  const closed = once(child, "close");
  await vacuuming();
  await expect(run(database)).rejects.toThrow(
    "another run of maintenance is at work on this database\n  fix: Wait until it has ended; a lower --budget keeps runs from overlapping.",
  );
  child.kill("SIGINT");
  await said("ending after this step; once more ends the step, too\n");
  child.kill("SIGINT");
  expect(await closed).toEqual([130, null]);
  const [file] = await readdir(folder);
  expect(file).toMatch(/^maintenance_\d{8}T\d{6}Z\.json$/);
  expect(JSON.parse(await readFile(join(folder, file!), "utf8"))).toMatchObject({
    ...{ version: 1, interrupted: true, dryRun: false },
    steps: [{ task: "vacuum", object: "public.slow", result: "interrupted" }],
  });
  expect(talk()).toContain(`saved as ${join(folder, file!)}\n1 interrupted\n`);
});

test("wrong usage is refused before any database is asked", async () => {
  const { needsDatabase } = await import("../../../toolkit/maintain/command.ts");
  await expect(needsDatabase(["--budget", "soon"])).rejects.toThrow(
    "--budget soon is no time\n  fix: Write it as 45s, 30min or 2h.",
  );
  await expect(needsDatabase(["--io", "fast"])).rejects.toThrow(
    "--io fast is no rate\n  fix: Write megabytes per second, as 40MB.",
  );
  await expect(needsDatabase(["--backup-count", "0"])).rejects.toThrow("--backup-count 0 is not a number from 1 on");
  await expect(needsDatabase(["--only", "vacuum, analyse"])).rejects.toThrow("there is no task analyse");
});
