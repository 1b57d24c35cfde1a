import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { connectionString } from "../../../toolkit/connection.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { otherwise, pageText, risk, sql, step, temporaryFolder } from "./support.ts";

const look = step(sql("select count(*)::int as n from t"), ["**Expect**: `n = $wanted`", otherwise], "Look");
const add = (title: string, seconds = 0) =>
  step(
    sql(`insert into t select 1 from pg_sleep(${seconds})`, "changes"),
    ["**Expect**: `rows = 0`", risk, otherwise],
    title,
  );

let database: TestDatabase;
let folder: string;
beforeAll(async () => {
  database = await createDatabase();
  folder = await temporaryFolder();
  await mkdir(join(folder, "runbooks"));
  const wanted = { wanted: { default: 0, description: "how many" } };
  const pages = {
    "README.md": "# Not a page",
    "add-one.md": pageText([look, add("Add")], wanted),
    "slow.md": pageText([add("First", 0.8), add("Second")]),
    "very-slow.md": pageText([add("First", 60), add("Second")]),
  };
  for (const [name, text] of Object.entries(pages)) await writeFile(join(folder, "runbooks", name), text);
});
afterAll(() => database.drop());
beforeEach(() =>
  database.client.query("drop schema if exists deploy cascade; drop table if exists t; create table t (n int)"),
);

/** Runs `runbook` as a user does, in a process of its own without a terminal. */
function start(args: string[], env: Record<string, string> = { DATABASE_URL: connectionString(database.connection) }) {
  const { DATABASE_URL, ...inherited } = process.env;
  const child = spawn(process.execPath, [resolve("toolkit/cli.ts"), "runbook", ...args], {
    cwd: folder,
    env: { ...inherited, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  const finished = new Promise<{ code: number | null; stdout: string; stderr: string }>((done) => {
    child.on("close", (code) => done({ code, ...output }));
  });
  return { child, finished };
}

async function numbers(): Promise<number> {
  return (await database.client.query("select count(*)::int as n from t")).rows[0].n;
}

/** Waits until a step's statement is at work in the server. */
async function sleeping(child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const { rowCount } = await database.client.query(
      "select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'",
    );
    if (rowCount) return;
    await new Promise((done) => setTimeout(done, 20));
  }
}

test("alone it lists the pages by symptom, without a database", async () => {
  expect(await start([], {}).finished).toEqual({
    code: 0,
    stdout: "  add-one    Something is wrong\n  slow       Something is wrong\n  very-slow  Something is wrong\n",
    stderr: "",
  });
  const { stdout } = await start(["--json"], {}).finished;
  expect(JSON.parse(stdout)[0]).toEqual({
    name: "add-one",
    title: "A page",
    symptom: "Something is wrong",
    needs: "nothing",
    parameters: [{ name: "wanted", description: "how many", default: "0", type: "number" }],
    changes: true,
  });
});

test.each([
  [
    ["add-two"],
    'there is no runbook "add-two"\n  fix: Use one of these:\n  add-one    Something is wrong\n  slow       Something is wrong\n  very-slow  Something is wrong',
  ],
  [["../README"], 'there is no runbook "../README"'],
  [["add-one", "slow"], "one runbook at a time, not add-one and slow"],
  [["add-one", "--set", "n=1"], "--set n=1: there is no parameter n"],
  [["add-one", "--now"], "Unknown option '--now'"],
])("%j: code 2, before a database is asked for", async (args, message) => {
  const { code, stdout, stderr } = await start(args, {}).finished;
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(`error: ${message}`);
});

test("without a terminal and without --yes, what only reads runs, and the change is refused with code 2", async () => {
  const { code, stdout, stderr } = await start(["add-one"]).finished;
  expect([code, stdout, await numbers()]).toEqual([2, "", 0]);
  expect(stderr).toContain("ok: n = 0 (n is 0)");
  expect(stderr).toContain(
    "Stopped before a step that changes something: nobody is at the terminal, and there is no --yes.",
  );
});

test("--yes runs it, --json prints the record, and a second run finds a surprise: code 1", async () => {
  const first = await start(["add-one", "--yes", "--json"]).finished;
  expect(first.code).toBe(0);
  expect(JSON.parse(first.stdout)).toMatchObject({
    runbook: "add-one",
    result: "done",
    steps: [{ result: "done" }, { result: "done" }],
  });
  const second = await start(["add-one", "--yes"]).finished;
  expect([second.code, await numbers()]).toEqual([1, 1]);
  const third = await start(["add-one", "--yes", "--set", "wanted=1"]).finished;
  expect([third.code, await numbers()]).toEqual([0, 2]);
  expect(await readdir(join(folder, "db_reports/runbooks"))).not.toEqual([]);
});

test("Ctrl-C stops between two steps: code 130", async () => {
  const { child, finished } = start(["slow", "--yes", "--json"]);
  await sleeping(child);
  child.kill("SIGINT");
  const { code, stdout, stderr } = await finished;
  expect([code, await numbers()]).toEqual([130, 1]);
  expect(stderr).toContain("stopping after this step; once more cancels its statement");
  expect(JSON.parse(stdout)).toMatchObject({ result: "interrupted", steps: [{ title: "First", result: "done" }] });
});

test("a second Ctrl-C cancels the statement that runs", async () => {
  const { child, finished } = start(["very-slow", "--yes", "--json"]);
  await sleeping(child);
  child.kill("SIGINT");
  // Signals that arrive together would be one.
  await new Promise((done) =>
    child.stderr!.on("data", (text: string) => text.includes("once more") && done(undefined)),
  );
  child.kill("SIGINT");
  const { code, stdout } = await finished;
  expect([code, await numbers()]).toEqual([130, 0]);
  expect(JSON.parse(stdout).steps).toMatchObject([
    { result: "failed", error: "canceling statement due to user request" },
  ]);
});

test("a run that is killed leaves a record of how far it came, in the file and in the database", async () => {
  const { child, finished } = start(["very-slow", "--yes"]);
  await sleeping(child);
  child.kill("SIGKILL");
  await finished;
  const { rows } = await database.client.query(
    "select r.result, s.title, s.result as step from deploy.runbook_run r join deploy.runbook_step s on s.run = r.id",
  );
  expect(rows).toEqual([{ result: "running", title: "First", step: "running" }]);
  const records = join(folder, "db_reports/runbooks");
  const found = await Promise.all(
    (await readdir(records))
      .filter((name) => /very-slow.*json$/.test(name))
      .map((name) => readFile(join(records, name), "utf8")),
  );
  expect(found.map((text) => JSON.parse(text).result)).toContain("running");
});
