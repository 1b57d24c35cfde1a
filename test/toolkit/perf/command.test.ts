import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { connectionString } from "../../../toolkit/connection.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";

let database: TestDatabase;
let folder: string;
beforeAll(async () => {
  [database, folder] = [await createDatabase(), await mkdtemp(join(tmpdir(), "perf-"))];
});
afterAll(async () => {
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

/** Runs the toolkit as a user does. */
async function toolkit(...args: string[]) {
  const env = { ...process.env, DATABASE_URL: connectionString(database.connection), NO_COLOR: "1" };
  const child = spawn(process.execPath, ["toolkit/cli.ts", "test", ...args], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code, stdout, stderr };
}

test("another database gets the general checks only, as JSON and in a file", async () => {
  const file = join(folder, "reports", "one.json");
  const { stdout, stderr } = await toolkit(
    "performance",
    "--json",
    "--duration",
    "1",
    "--connections",
    "1",
    "--save",
    file,
  );
  const result = JSON.parse(stdout);
  expect(result).toMatchObject({ version: 1, load: { durationSeconds: 1, connections: 1, pooled: false } });
  expect(JSON.parse(await readFile(file, "utf8"))).toEqual(result);
  expect(result.checks.map(({ name, verdict }: { name: string; verdict: string }) => [name, verdict])).toEqual([
    ...[
      ["indexes", "passed"],
      ["plans", "skipped"],
      ["pruning", "skipped"],
      ["large-data", "skipped"],
    ],
    ...[
      ["patterns", "skipped"],
      ["times", "skipped"],
      ["pool", expect.stringMatching(/passed|failed/)],
    ],
  ]);
  expect(stderr).toContain(
    `${database.connection.database}: reads only, for about 1 s, over at most 2 connections (--duration and --connections change that)\n` +
      "there is nothing that the application's queries could ask for: only the general checks are run\n",
  );
  expect(stderr).toContain(`saved as ${file}\n`);
});

test("an invalid index fails the test with exit code 1, and the table says which", async () => {
  await database.client.query("create table things (id int); create index things_idx on things (id)");
  await database.client.query("update pg_index set indisvalid = false where indexrelid = 'things_idx'::regclass");
  const { code, stdout, stderr } = await toolkit("performance", "--duration", "1", "--connections", "1", "--no-save");
  expect(code).toBe(1);
  expect(stdout).toContain("Do the indexes exist, are they valid, and are they used?  (indexes: failed)\n");
  expect(stdout).toMatch(
    /failed +all indexes of the database +1 +1 +Not valid, or not complete: public\.things_idx\.\n/,
  );
  expect(stderr).toMatch(/^failed: indexes/m);
  expect(stderr).not.toContain("saved as");
});

test("wrong usage is refused before anything is asked", async () => {
  const file = join(folder, "none.json");
  await writeFile(file, '{"version": 0}');
  const [help, unnamed, number, baseline] = await Promise.all([
    toolkit("--help"),
    toolkit("speed"),
    toolkit("performance", "--duration", "0"),
    toolkit("performance", "--baseline", file),
  ]);
  expect(help).toMatchObject({ code: 0, stdout: "" });
  expect(help.stderr).toMatch(/^usage: toolkit test performance \[options\]\n/);
  expect(unnamed).toEqual({
    code: 2,
    stdout: "",
    stderr: 'error: there is no test "speed"\n  fix: Use: toolkit test performance.\n',
  });
  expect(number).toEqual({
    code: 2,
    stdout: "",
    stderr: "error: --duration 0 is not accepted\n  fix: Give a whole number from 1 to 3600.\n",
  });
  expect(baseline).toEqual({
    code: 2,
    stdout: "",
    stderr:
      `error: ${file} is no stored result of the performance test\n  why: It is not of version 1.\n` +
      "  fix: Give a file that `toolkit test performance` wrote.\n",
  });
});
