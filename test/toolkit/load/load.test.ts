import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { type LoadOptions, load } from "../../../toolkit/load/load.ts";
import { describe as inWords } from "../../../toolkit/load/result.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { createPriceDatabase, emptyTables, waitUntilBlocked } from "./tables.ts";

let folder: string;
let told: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "load-"));
  told = "";
  jest.spyOn(process.stderr, "write").mockImplementation((text) => {
    told += String(text).replaceAll(`${folder}/`, "");
    return true;
  });
});

afterEach(() => {
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

function write(name: string, ...lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
  return path;
}

const reject = (name: string) => readFileSync(join(folder, name), "utf8").split("\n");

describe.each(["plain", "partitioned"] as const)("into a %s price_history", (shape) => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createPriceDatabase(shape);
  });
  afterAll(() => database.drop());
  beforeEach(() => emptyTables(database));

  /** Loads and gives the answer for people. */
  async function loaded(path: string, options?: LoadOptions): Promise<string[]> {
    const result = await load(database.connection, path, options);
    return inWords(result).map((line) => line.replaceAll(`${folder}/`, ""));
  }

  /** Every price as `symbol date open high low close adjusted volume`, trailing zeros cut. */
  async function prices(): Promise<string[]> {
    const { rows } = await database.client.query(`
      select concat_ws(' ', symbol, date, coalesce(trim_scale(open)::text, '-'), coalesce(trim_scale(high)::text, '-'),
                       coalesce(trim_scale(low)::text, '-'), trim_scale(close),
                       coalesce(trim_scale(adjusted_close)::text, '-'), coalesce(volume::text, '-')) as price
      from price_history join stocks on stocks.id = stock_id order by symbol, date`);
    return rows.map(({ price }) => price);
  }

  test("a file loaded twice brings nothing the second time, and says so", async () => {
    const path = write(
      "ACME.csv",
      "Date,Open,High,Low,Close,Adj Close,Volume",
      "2000-01-31,1,3,0.5,2,1.9999999,100",
      "2000-02-01,2,4,1.5,3.25,3,",
    );
    expect(await loaded(path)).toEqual([
      "ACME.csv: 2 prices loaded of ACME, 2000-01-31 to 2000-02-01 (2 new, 0 corrected, 0 unchanged)",
    ]);
    const stored = ["ACME 2000-01-31 1 3 0.5 2 2 100", "ACME 2000-02-01 2 4 1.5 3.25 3 -"];
    expect(await prices()).toEqual(stored);
    expect(await loaded(path)).toEqual([
      "ACME.csv: already loaded, nothing to do (--force loads it again): 2 prices of ACME, 2000-01-31 to 2000-02-01",
    ]);
    expect(await loaded(path, { force: true })).toEqual([
      "ACME.csv: 2 prices loaded of ACME, 2000-01-31 to 2000-02-01 (0 new, 0 corrected, 2 unchanged)",
    ]);
    expect(await prices()).toEqual(stored);
  });

  test("the same content under another name is known; read as another symbol it is not", async () => {
    const lines = ["symbol,date,close", "A,2000-01-31,1"];
    await loaded(write("one.csv", ...lines));
    expect(await loaded(write("two.csv", ...lines))).toEqual([
      "two.csv: already loaded, nothing to do (--force loads it again): 1 price of A, 2000-01-31 to 2000-01-31",
    ]);
    const path = write("B.csv", "date,close", "2000-01-31,1");
    await loaded(path);
    await loaded(path, { symbol: "C" });
    expect(await prices()).toEqual(["A", "B", "C"].map((symbol) => `${symbol} 2000-01-31 - - - 1 - -`));
  });

  test("corrected values replace the stored ones, and columns that the file lacks stay", async () => {
    await loaded(write("A.csv", "date,open,close,volume", "2000-01-31,1,2,3", "2000-02-01,1,2,3", "2000-02-02,1,2,3"));
    expect(await loaded(write("A.csv", "date,close", "2000-02-01,9", "2000-02-02,2", "2000-02-03,5"))).toEqual([
      "A.csv: 3 prices loaded of A, 2000-02-01 to 2000-02-03 (1 new, 1 corrected, 1 unchanged)",
    ]);
    expect(await prices()).toEqual([
      "A 2000-01-31 1 - - 2 - 3",
      "A 2000-02-01 1 - - 9 - 3",
      "A 2000-02-02 1 - - 2 - 3",
      "A 2000-02-03 - - - 5 - -",
    ]);
  });

  test("where a file has a day twice the later line counts, whether or not they share a batch", async () => {
    const lines = ["symbol,date,close", "A,2000-01-31,1", "A,2000-02-01,5", "A,2000-01-31,2", "A,2000-01-31,3"];
    expect(await loaded(write("together.csv", ...lines))).toEqual([
      "together.csv: 2 prices loaded of A, 2000-01-31 to 2000-02-01 (2 new, 0 corrected, 0 unchanged)",
      "  2 prices stand twice in the file: the later line counts",
    ]);
    const together = await prices();
    expect(together).toEqual(["A 2000-01-31 - - - 3 - -", "A 2000-02-01 - - - 5 - -"]);
    await emptyTables(database);
    await loaded(write("apart.csv", ...lines), { batchSize: 1 });
    expect(await prices()).toEqual(together);
  });

  test("a wide file brings a price for each filled cell", async () => {
    const path = write("wide.csv", "Date,AAPL,MSFT,^GSPC", "2000-01-31,1,,3", "2000-02-01,,,", "2000-03-01,4,5,6");
    expect(await loaded(path)).toEqual([
      "wide.csv: 5 prices loaded of 3 symbols, 2000-01-31 to 2000-03-01 (5 new, 0 corrected, 0 unchanged)",
    ]);
    expect(await prices()).toEqual([
      "AAPL 2000-01-31 - - - 1 - -",
      "AAPL 2000-03-01 - - - 4 - -",
      "MSFT 2000-03-01 - - - 5 - -",
      "^GSPC 2000-01-31 - - - 3 - -",
      "^GSPC 2000-03-01 - - - 6 - -",
    ]);
  });

  test("bad lines are kept aside with number and reason, and load once they are corrected", async () => {
    const path = write(
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
    expect(reject("mixed.rejects.csv")).toEqual([
      "line,reason,symbol,date,close",
      '3,"date ""never"" is not a date",A,never,2',
      '4,"close ""x"" is not a number",B,2000-01-31,"x"',
      '5,"symbol ""A\\\\tB"" is not a symbol",A\\tB,2000-01-31,4',
      '6,"symbol ""C\\tD"" is not a symbol",C\tD,2000-01-31,5',
      "",
    ]);

    const corrected = readFileSync(join(folder, "mixed.rejects.csv"), "utf8")
      .replace("A,never,2", "A,2000-02-01,2")
      .replace(',"x"\n', ',"3"\n');
    writeFileSync(join(folder, "mixed.rejects.csv"), corrected);
    expect((await loaded(join(folder, "mixed.rejects.csv")))[0]).toBe(
      "mixed.rejects.csv: 2 prices loaded of 2 symbols, 2000-01-31 to 2000-02-01 (2 new, 0 corrected, 0 unchanged)",
    );
    expect(reject("mixed.rejects.rejects.csv")).toEqual([
      "line,reason,symbol,date,close",
      '4,"symbol ""A\\\\tB"" is not a symbol",A\\tB,2000-01-31,4',
      '5,"symbol ""C\\tD"" is not a symbol",C\tD,2000-01-31,5',
      "",
    ]);
    expect(await prices()).toEqual([
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
    expect(await loaded(write("bad.csv", "date,close", "never,1"))).toEqual([
      "bad.csv: 0 prices loaded (0 new, 0 corrected, 0 unchanged)",
      '  line 2: date "never" is not a date',
      "  1 line rejected, kept in bad.rejects.csv: correct it there and load that file",
    ]);
    expect((await loaded(join(folder, "bad.csv")))[0]).toBe(
      "bad.csv: already loaded, nothing to do (--force loads it again): 0 prices",
    );
  });

  test("rejected lines keep their bytes, whatever these are", async () => {
    const bytes = Buffer.from('A,2000-01-31,"ö\nA\xff,2000-01-31,1\r\nA\0,2000-01-31,1\n', "latin1");
    const path = join(folder, "raw.csv");
    writeFileSync(path, Buffer.concat([Buffer.from("symbol,date,close\n"), bytes]));
    await load(database.connection, path);
    expect(readFileSync(join(folder, "raw.rejects.csv"), "latin1").split("\n")).toEqual([
      "line,reason,symbol,date,close",
      '2,"is not valid UTF-8",A,2000-01-31,"ö',
      '3,"is not valid UTF-8",A\xff,2000-01-31,1',
      '4,"holds a NUL byte",A\0,2000-01-31,1',
      "",
    ]);
  });

  test("a line of 5 MiB is rejected, and the lines around it are loaded", async () => {
    const path = write("long.csv", "symbol,date,close", "A,2000-01-31,1", "9".repeat(5 << 20), "A,2000-02-01,2");
    expect(await loaded(path)).toEqual([
      "long.csv: 2 prices loaded of A, 2000-01-31 to 2000-02-01 (2 new, 0 corrected, 0 unchanged)",
      "  line 3: is longer than 4 MiB: only its start is kept",
      "  1 line rejected, kept in long.rejects.csv: correct it there and load that file",
    ]);
  });

  test("prices that were deleted since, or a reject file that is gone, make the file load again", async () => {
    const path = write("A.csv", "date,close", "2000-01-31,1", "2000-02-01,2", "never,3");
    await loaded(path);
    await database.client.query("delete from price_history where date = '2000-02-01'");
    expect((await loaded(path))[0]).toBe(
      "A.csv: 2 prices loaded of A, 2000-01-31 to 2000-02-01 (1 new, 0 corrected, 1 unchanged)",
    );
    rmSync(join(folder, "A.rejects.csv"));
    expect((await loaded(path))[0]).toBe(
      "A.csv: 2 prices loaded of A, 2000-01-31 to 2000-02-01 (0 new, 0 corrected, 2 unchanged)",
    );
    expect(reject("A.rejects.csv")).toContain('4,"date ""never"" is not a date",never,3');
    expect(told.split("\n").filter((line) => line.includes("missing"))).toEqual([
      "A.csv was loaded before, but prices of it are missing now: loading it again",
      "A.csv was loaded before, but A.rejects.csv is missing now: loading it again",
    ]);
  });

  test("a reject file that someone may be correcting is put aside, never overwritten", async () => {
    const path = write("A.csv", "date,close", "never,1");
    await loaded(path);
    const corrected = "line,reason,date,close\n2,,2000-01-31,1\n";
    writeFileSync(join(folder, "A.rejects.csv"), corrected);
    await loaded(path, { force: true });
    expect(readFileSync(join(folder, "A.rejects.csv.old"), "utf8")).toBe(corrected);
    expect(told).toContain("the rejected lines of an earlier load are now in A.rejects.csv.old\n");
  });

  test("a file that is in the way of the rejected lines stops the load before anything is stored", async () => {
    const path = write("A.csv", "date,close", "2000-01-31,1", "never,1");
    write("A.rejects.csv", "my own notes");
    const error = await load(database.connection, path).catch((thrown) => thrown);
    expect(error.message.replaceAll(`${folder}/`, "")).toBe(
      "A.rejects.csv is in the way: rejected lines would go there, and it is not a reject file\n" +
        "  fix: Move it, or name another folder with --rejects.",
    );
    expect(await prices()).toEqual([]);
    expect(reject("A.rejects.csv")).toEqual(["my own notes", ""]);
  });

  test("a folder in the place of the reject file is in the way too", async () => {
    const path = write("A.csv", "date,close", "2000-01-31,1", "never,1");
    mkdirSync(join(folder, "A.rejects.csv"));
    await expect(load(database.connection, path)).rejects.toThrow("A.rejects.csv is in the way");
    expect(await prices()).toEqual([]);
  });

  test("rejected lines go to the folder that is named for them", async () => {
    mkdirSync(join(folder, "aside"));
    await loaded(write("A.csv", "date,close", "2000-01-31,1", "never,1"), { rejects: join(folder, "aside") });
    expect(reject("aside/A.rejects.csv")).toEqual([
      "line,reason,date,close",
      '3,"date ""never"" is not a date",never,1',
      "",
    ]);
    expect(existsSync(join(folder, "A.rejects.csv"))).toBe(false);
  });

  test("a file that is written to during its load is reported, and loads when it is complete", async () => {
    const path = write("A.csv", "date,close", "2000-01-31,1", "2000-02-01,2");
    await database.client.query("begin; lock table stocks in exclusive mode");
    const loading = load(database.connection, path).catch((thrown) => thrown);
    await waitUntilBlocked(database.client);
    write("A.csv", "date,close", "2000-01-31,1", "2000-02-01,2", "2000-02-02,3");
    await database.client.query("rollback");
    expect(String((await loading).message).replaceAll(`${folder}/`, "")).toBe(
      "A.csv was changed while it was loaded\n" +
        "  why: What was read of it may be half a line, or half of two files.\n" +
        "  fix: Run the same command again once the file is complete.",
    );
    await loaded(path);
    expect(await prices()).toHaveLength(3);
  });
});

test("a database without the tables is refused", async () => {
  const database = await createDatabase();
  expect(await failure(database)).toBe(
    "1 the database has no tables stocks and price_history\n" +
      "  why: The migrations have not been applied to it.\n" +
      "  fix: Run `npm run up` first, or name the right database.",
  );
  await database.drop();
});

test("a database that is read-only is refused", async () => {
  const database = await createPriceDatabase("plain");
  await database.client.query(`alter database ${database.connection.database} set default_transaction_read_only = on`);
  expect(await failure(database)).toBe(
    "1 A.csv cannot be loaded here: the server is read-only\n" +
      "  why: cannot execute CREATE SCHEMA in a read-only transaction\n" +
      "  fix: Name the primary server instead of a standby.",
  );
  await database.drop();
});

test("a user without rights is refused with what is missing", async () => {
  const database = await createPriceDatabase("partitioned");
  const user = `reader_${database.connection.database}`;
  await database.client.query(`create role ${user} login password 'geheim'`);
  expect(await failure({ ...database, connection: { ...database.connection, user, password: "geheim" } })).toBe(
    "1 this user may not load A.csv\n" +
      `  why: permission denied for schema deploy\n` +
      "  fix: Use the owner of the tables, or grant what is missing; the journal of loads is in the schema deploy.",
  );
  await database.client.query(`drop role ${user}`);
  await database.drop();
});

/** The exit code and the message with which a small file is refused. */
async function failure({ connection }: TestDatabase): Promise<string> {
  const error = await load(connection, write("A.csv", "date,close", "2000-01-31,1")).catch((thrown) => thrown);
  return `${error.exitCode} ${error.message.replaceAll(`${folder}/`, "")}`;
}
