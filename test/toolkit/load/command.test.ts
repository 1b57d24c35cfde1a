import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { TestDatabase } from "../../support/database.ts";
import { type Finished, runLoad } from "./child.ts";
import { createPriceDatabase, emptyTables } from "./tables.ts";

let database: TestDatabase;
let folder: string;
beforeAll(async () => {
  database = await createPriceDatabase("partitioned");
});
afterAll(() => database.drop());
beforeEach(async () => {
  if (folder) rmSync(folder, { recursive: true });
  folder = mkdtempSync(join(tmpdir(), "command-"));
  await emptyTables(database);
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, ...lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
  return path;
}

/** Runs `load`; the folder's name is cut from what it says. */
async function run(...args: string[]): Promise<Omit<Finished, "signal">> {
  const { code, stdout, stderr } = await runLoad(database.connection, args);
  const cut = (text: string) => text.replaceAll(`${folder}/`, "");
  return { code, stdout: cut(stdout), stderr: cut(stderr) };
}

async function rowCount(): Promise<number> {
  return (await database.client.query("select count(*)::int as rows from price_history")).rows[0].rows;
}

test("a file that loads wholly: code 0, the answer on stderr, nothing on stdout", async () => {
  expect(await run(write("A.csv", "date,close", "2000-01-31,1"))).toEqual({
    code: 0,
    stdout: "",
    stderr:
      "A.csv: 1 price loaded of A, 2000-01-31 to 2000-01-31 (1 new, 0 corrected, 0 unchanged)\n" +
      "computing the indicators of A\n" +
      "indicators: 0 rows written; refreshing the views\n",
  });
});

test("what is derived from the prices follows them, unless the prices alone are wanted", async () => {
  const days = Array.from({ length: 28 }, (_, index) => `2000-02-${String(index + 1).padStart(2, "0")},${index + 1}`);
  const derived = async () =>
    (
      await database.client.query(
        `select (select count(*)::int from technical_indicators) as indicators,
                (select count(distinct date)::int from daily_market_summary where date >= '2000-02-01') as days`,
      )
    ).rows[0];
  await run(write("A.csv", "date,close", ...days), "--prices-only");
  expect(await derived()).toEqual({ indicators: 0, days: 0 });
  await run(write("B.csv", "date,close", ...days));
  expect(await derived()).toEqual({ indicators: 17, days: 28 });
});

test("a file with bad lines: code 1, also when it was loaded before", async () => {
  const path = write("A.csv", "date,close", "2000-01-31,1", "never,2");
  const first = await run(path);
  expect(first).toEqual({
    code: 1,
    stdout: "",
    stderr:
      "A.csv: 1 price loaded of A, 2000-01-31 to 2000-01-31 (1 new, 0 corrected, 0 unchanged)\n" +
      '  line 3: date "never" is not a date\n' +
      "  1 line rejected, kept in A.rejects.csv: correct it there and load that file\n" +
      "computing the indicators of A\n" +
      "indicators: 0 rows written; refreshing the views\n",
  });
  expect(await run(path)).toEqual({
    code: 1,
    stdout: "",
    stderr:
      "A.csv: already loaded, nothing to do (--force loads it again): 1 price of A, 2000-01-31 to 2000-01-31\n" +
      "  1 line rejected, kept in A.rejects.csv: correct it there and load that file\n",
  });
});

test("--json gives one result for each file, with the same fields whatever happened", async () => {
  const one = write("A.csv", "date,close", "2000-01-31,1", "2000-01-31,2");
  const two = write("many.csv", "symbol,date,close", "B,never,2", "C,2000-01-31,1", "B,2000-02-01,2");
  const first = {
    file: "A.csv",
    lines: 2,
    inserted: 1,
    updated: 0,
    unchanged: 0,
    repeated: 1,
    rejected: 0,
    rejectsFile: null,
    symbols: ["A"],
    firstDate: "2000-01-31",
    lastDate: "2000-01-31",
    resumedAfterLine: 0,
    alreadyLoaded: false,
    firstRejects: [],
  };
  const second = {
    file: "many.csv",
    lines: 3,
    inserted: 2,
    updated: 0,
    unchanged: 0,
    repeated: 0,
    rejected: 1,
    rejectsFile: "many.rejects.csv",
    symbols: ["B", "C"],
    firstDate: "2000-01-31",
    lastDate: "2000-02-01",
    resumedAfterLine: 0,
    alreadyLoaded: false,
    firstRejects: [{ line: 2, reason: 'date "never" is not a date' }],
  };
  const loaded = await run("--json", one, two);
  expect(loaded.code).toBe(1);
  expect(loaded.stdout).toBe(`${JSON.stringify([first, second], null, 2)}\n`);
  const again = await run(one, "--json");
  expect(again.code).toBe(0);
  expect(again.stdout).toBe(`${JSON.stringify([{ ...first, alreadyLoaded: true }], null, 2)}\n`);
});

test.each<[what: string, args: (path: string) => string[], message: string]>([
  ["no file", () => [], "there is no file to load\n  fix: Add --help for the usage."],
  ["a missing file", () => ["/no/such.csv"], "/no/such.csv does not exist"],
  [
    "an unknown option",
    (path) => [path, "--fast"],
    "Unknown option '--fast'. To specify a positional argument starting with a '-', place it at the end of the command " +
      "after '--', as in '-- \"--fast\"\n  fix: Add --help to see the options.",
  ],
  [
    "a bad --wait",
    (path) => [path, "--wait", "soon"],
    "--wait soon is not a number of seconds\n  fix: Give a whole number.",
  ],
  ["a bad --decimal", (path) => [path, "--decimal", "."], "--decimal . is not known\n  fix: Use point or comma."],
  [
    "a bad --date-format",
    (path) => [path, "--date-format", "ymd"],
    "--date-format ymd is not known\n  fix: Use mdy or dmy.",
  ],
  [
    "a folder for rejected lines that is missing",
    (path) => [path, "--rejects", "/no/such"],
    "rejected lines cannot be kept in /no/such\n" +
      "  why: ENOENT: no such file or directory, stat '/no/such'\n" +
      "  fix: Name a folder that exists and can be written to with --rejects.",
  ],
  [
    "two files that would share a reject file",
    (path) => [path, `${path}/../A.CSV`],
    "two of the files would keep their rejected lines in A.rejects.csv\n" +
      "  fix: Load them one by one, with a folder for each (--rejects).",
  ],
])("%s: code 2, and nothing is loaded", async (_, args, message) => {
  const path = write("A.csv", "date,close", "2000-01-31,1");
  expect(await run(...args(path))).toEqual({ code: 2, stdout: "", stderr: `error: ${message}\n` });
  expect(await rowCount()).toBe(0);
});

test("where one of several files cannot be read, none is loaded", async () => {
  const good = write("A.csv", "date,close", "2000-01-31,1");
  const { code, stderr } = await run(good, write("B.csv", "who,knows", "1,2"));
  expect({ code, stderr: stderr.split("\n")[0] }).toEqual({
    code: 2,
    stderr: "error: B.csv: the header is not that of a file of prices",
  });
  expect(await rowCount()).toBe(0);
});

test("what was loaded before a file failed is still told as JSON", async () => {
  const good = write("A.csv", "date,close", "2000-01-31,1");
  const bad = write("B.csv", "date,close", "2000-01-31,1", "never,1");
  write("B.rejects.csv", "my own notes");
  const { code, stdout, stderr } = await run(good, bad, "--json");
  expect(code).toBe(2);
  expect(stderr).toContain("error: B.rejects.csv is in the way");
  expect(JSON.parse(stdout)).toMatchObject([{ file: "A.csv", inserted: 1 }]);
});

test("--help explains and loads nothing", async () => {
  const { code, stdout, stderr } = await run("--help", join(folder, "none.csv"));
  expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
  expect(stderr).toMatch(/^usage: load FILE\.csv/);
  expect(existsSync(join(folder, "none.csv"))).toBe(false);
});

test("a password does not show where the server cannot be reached", async () => {
  const path = write("A.csv", "date,close", "2000-01-31,1");
  const { code, stderr } = await runLoad({ ...database.connection, port: 1, password: "geheim" }, [path]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^error: cannot connect to 127\.0\.0\.1:1\//);
  expect(stderr).not.toContain("geheim");
});
