import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { type LoadOptions, load } from "../../../toolkit/load/load.ts";
import { describe as inWords } from "../../../toolkit/load/result.ts";
import type { TestDatabase } from "../../support/database.ts";
import { useFolder } from "./folder.ts";
import { createPriceDatabase, emptyTables, prices } from "./tables.ts";

const files = useFolder();
let database: TestDatabase;
beforeAll(async () => {
  database = await createPriceDatabase("partitioned");
});
afterAll(() => database.drop());
beforeEach(() => emptyTables(database));

/** Loads and gives the answer for people. */
async function loaded(path: string, options?: LoadOptions): Promise<string[]> {
  return inWords(await load(database.connection, path, options)).map(files.cut);
}

test("bad lines are kept aside with number and reason, and load once they are corrected", async () => {
  const path = files.write(
    "mixed.csv",
    "symbol,date,close",
    "A,2000-01-31,1",
    "A,never,2",
    'B,2000-01-31,"x"',
    "A\\tB,2000-01-31,4",
    "C\tD,2000-01-31,5",
    "B,2000-02-01,6",
  );
  const answer = [
    "mixed.csv: 2 prices loaded of 2 symbols, 2000-01-31 to 2000-02-01 (2 new, 0 corrected, 0 unchanged)",
    '  line 3: date "never" is not a date',
    '  line 4: close "x" is not a number',
    '  line 5: symbol "A\\\\tB" is not a symbol',
    '  line 6: symbol "C\\tD" is not a symbol',
    "  4 lines rejected, kept in mixed.rejects.csv: correct them there and load that file",
  ];
  expect(await loaded(path)).toEqual(answer);
  expect(files.lines("mixed.rejects.csv")).toEqual([
    "line,reason,symbol,date,close",
    '3,"date ""never"" is not a date",A,never,2',
    '4,"close ""x"" is not a number",B,2000-01-31,"x"',
    '5,"symbol ""A\\\\tB"" is not a symbol",A\\tB,2000-01-31,4',
    '6,"symbol ""C\\tD"" is not a symbol",C\tD,2000-01-31,5',
    "",
  ]);

  const corrected = readFileSync(files.path("mixed.rejects.csv"), "utf8")
    .replace("A,never,2", "A,2000-02-01,2")
    .replace(',"x"\n', ',"3"\n');
  writeFileSync(files.path("mixed.rejects.csv"), corrected);
  expect((await loaded(files.path("mixed.rejects.csv")))[0]).toBe(
    "mixed.rejects.csv: 2 prices loaded of 2 symbols, 2000-01-31 to 2000-02-01 (2 new, 0 corrected, 0 unchanged)",
  );
  expect(files.lines("mixed.rejects.rejects.csv")).toEqual([
    "line,reason,symbol,date,close",
    '4,"symbol ""A\\\\tB"" is not a symbol",A\\tB,2000-01-31,4',
    '5,"symbol ""C\\tD"" is not a symbol",C\tD,2000-01-31,5',
    "",
  ]);
  expect(await prices(database)).toEqual([
    "A 2000-01-31 - - - 1 - -",
    "A 2000-02-01 - - - 2 - -",
    "B 2000-01-31 - - - 3 - -",
    "B 2000-02-01 - - - 6 - -",
  ]);
  expect(await loaded(path)).toEqual([
    "mixed.csv: already loaded, nothing to do (--force loads it again): 2 prices of 2 symbols, 2000-01-31 to 2000-02-01",
    "  4 lines rejected, kept in mixed.rejects.csv: correct them there and load that file",
  ]);
});

test("a file of nothing but bad lines brings nothing and keeps them all", async () => {
  expect(await loaded(files.write("bad.csv", "date,close", "never,1"))).toEqual([
    "bad.csv: 0 prices loaded (0 new, 0 corrected, 0 unchanged)",
    '  line 2: date "never" is not a date',
    "  1 line rejected, kept in bad.rejects.csv: correct it there and load that file",
  ]);
  expect((await loaded(files.path("bad.csv")))[0]).toBe(
    "bad.csv: already loaded, nothing to do (--force loads it again): 0 prices",
  );
});

test("rejected lines keep their bytes, whatever these are", async () => {
  const bytes = Buffer.from('A,2000-01-31,"ö\nA\xff,2000-01-31,1\r\nA\0,2000-01-31,1\n', "latin1");
  const path = files.path("raw.csv");
  writeFileSync(path, Buffer.concat([Buffer.from("symbol,date,close\n"), bytes]));
  await load(database.connection, path);
  expect(readFileSync(files.path("raw.rejects.csv"), "latin1").split("\n")).toEqual([
    "line,reason,symbol,date,close",
    '2,"is not valid UTF-8",A,2000-01-31,"ö',
    '3,"is not valid UTF-8",A\xff,2000-01-31,1',
    '4,"holds a NUL byte",A\0,2000-01-31,1',
    "",
  ]);
});

test("a line of 5 MiB is rejected, and the lines around it are loaded", async () => {
  const path = files.write("long.csv", "symbol,date,close", "A,2000-01-31,1", "9".repeat(5 << 20), "A,2000-02-01,2");
  expect(await loaded(path)).toEqual([
    "long.csv: 2 prices loaded of A, 2000-01-31 to 2000-02-01 (2 new, 0 corrected, 0 unchanged)",
    "  line 3: is longer than 4 MiB: only its start is kept",
    "  1 line rejected, kept in long.rejects.csv: correct it there and load that file",
  ]);
});

test("prices that were deleted since, or a reject file that is gone, make the file load again", async () => {
  const path = files.write("A.csv", "date,close", "2000-01-31,1", "2000-02-01,2", "never,3");
  await loaded(path);
  await database.client.query("delete from price_history where date = '2000-02-01'");
  expect((await loaded(path))[0]).toBe(
    "A.csv: 2 prices loaded of A, 2000-01-31 to 2000-02-01 (1 new, 0 corrected, 1 unchanged)",
  );
  rmSync(files.path("A.rejects.csv"));
  expect((await loaded(path))[0]).toBe(
    "A.csv: 2 prices loaded of A, 2000-01-31 to 2000-02-01 (0 new, 0 corrected, 2 unchanged)",
  );
  expect(files.lines("A.rejects.csv")).toContain('4,"date ""never"" is not a date",never,3');
  expect(
    files
      .told()
      .split("\n")
      .filter((line) => line.includes("missing")),
  ).toEqual([
    "A.csv was loaded before, but prices of it are missing now: loading it again",
    "A.csv was loaded before, but A.rejects.csv is missing now: loading it again",
  ]);
});

test("a reject file that someone may be correcting is put aside, never overwritten", async () => {
  const path = files.write("A.csv", "date,close", "never,1");
  await loaded(path);
  const corrected = "line,reason,date,close\n2,,2000-01-31,1\n";
  writeFileSync(files.path("A.rejects.csv"), corrected);
  await loaded(path, { force: true });
  expect(readFileSync(files.path("A.rejects.csv.old"), "utf8")).toBe(corrected);
  expect(files.told()).toContain("the rejected lines of an earlier load are now in A.rejects.csv.old\n");
});

test("a file that is in the way of the rejected lines stops the load before anything is stored", async () => {
  const path = files.write("A.csv", "date,close", "2000-01-31,1", "never,1");
  files.write("A.rejects.csv", "my own notes");
  const error = await load(database.connection, path).catch((thrown) => thrown);
  expect(files.cut(error.message)).toBe(
    "A.rejects.csv is in the way: rejected lines would go there, and it is not a reject file\n" +
      "  fix: Move it, or name another folder with --rejects.",
  );
  expect(await prices(database)).toEqual([]);
  expect(files.lines("A.rejects.csv")).toEqual(["my own notes", ""]);
});

test("a folder in the place of the reject file is in the way too", async () => {
  const path = files.write("A.csv", "date,close", "2000-01-31,1", "never,1");
  mkdirSync(files.path("A.rejects.csv"));
  await expect(load(database.connection, path)).rejects.toThrow("A.rejects.csv is in the way");
  expect(await prices(database)).toEqual([]);
});

test("rejected lines go to the folder that is named for them", async () => {
  mkdirSync(files.path("aside"));
  await loaded(files.write("A.csv", "date,close", "2000-01-31,1", "never,1"), { rejects: files.path("aside") });
  expect(files.lines("aside/A.rejects.csv")).toEqual([
    "line,reason,date,close",
    '3,"date ""never"" is not a date",never,1',
    "",
  ]);
  expect(existsSync(files.path("A.rejects.csv"))).toBe(false);
});
