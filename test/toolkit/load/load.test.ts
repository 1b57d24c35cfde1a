import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type LoadOptions, load } from "../../../toolkit/load/load.ts";
import { describe as inWords } from "../../../toolkit/load/result.ts";
import type { TestDatabase } from "../../support/database.ts";
import { useFolder } from "./folder.ts";
import { createPriceDatabase, emptyTables, prices, waitUntilBlocked } from "./tables.ts";

const files = useFolder();

describe.each(["plain", "partitioned"] as const)("into a %s price_history", (shape) => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createPriceDatabase(shape);
  });
  afterAll(() => database.drop());
  beforeEach(() => emptyTables(database));

  /** Loads and gives the answer for people. */
  async function loaded(path: string, options?: LoadOptions): Promise<string[]> {
    return inWords(await load(database.connection, path, options)).map(files.cut);
  }

  test("a file loaded twice brings nothing the second time, and says so", async () => {
    const path = files.write(
      "ACME.csv",
      "Date,Open,High,Low,Close,Adj Close,Volume",
      "2000-01-31,1,3,0.5,2,1.9999999,100",
      "2000-02-01,2,4,1.5,3.25,3,",
    );
    expect(await loaded(path)).toEqual([
      "ACME.csv: 2 prices loaded of ACME, 2000-01-31 to 2000-02-01 (2 new, 0 corrected, 0 unchanged)",
    ]);
    const stored = ["ACME 2000-01-31 1 3 0.5 2 2 100", "ACME 2000-02-01 2 4 1.5 3.25 3 -"];
    expect(await prices(database)).toEqual(stored);
    expect(await loaded(path)).toEqual([
      "ACME.csv: already loaded, nothing to do (--force loads it again): 2 prices of ACME, 2000-01-31 to 2000-02-01",
    ]);
    expect(await loaded(path, { force: true })).toEqual([
      "ACME.csv: 2 prices loaded of ACME, 2000-01-31 to 2000-02-01 (0 new, 0 corrected, 2 unchanged)",
    ]);
    expect(await prices(database)).toEqual(stored);
  });

  test("the same content under another name is known; read as another symbol it is not", async () => {
    const lines = ["symbol,date,close", "A,2000-01-31,1"];
    await loaded(files.write("one.csv", ...lines));
    expect(await loaded(files.write("two.csv", ...lines))).toEqual([
      "two.csv: already loaded, nothing to do (--force loads it again): 1 price of A, 2000-01-31 to 2000-01-31",
    ]);
    const path = files.write("B.csv", "date,close", "2000-01-31,1");
    await loaded(path);
    await loaded(path, { symbol: "C" });
    expect(await prices(database)).toEqual(["A", "B", "C"].map((symbol) => `${symbol} 2000-01-31 - - - 1 - -`));
  });

  test("corrected values replace the stored ones, and columns that the file lacks stay", async () => {
    await loaded(
      files.write("A.csv", "date,open,close,volume", "2000-01-31,1,2,3", "2000-02-01,1,2,3", "2000-02-02,1,2,3"),
    );
    expect(await loaded(files.write("A.csv", "date,close", "2000-02-01,9", "2000-02-02,2", "2000-02-03,5"))).toEqual([
      "A.csv: 3 prices loaded of A, 2000-02-01 to 2000-02-03 (1 new, 1 corrected, 1 unchanged)",
    ]);
    expect(await prices(database)).toEqual([
      "A 2000-01-31 1 - - 2 - 3",
      "A 2000-02-01 1 - - 9 - 3",
      "A 2000-02-02 1 - - 2 - 3",
      "A 2000-02-03 - - - 5 - -",
    ]);
  });

  test("where a file has a day twice the later line counts, whether or not they share a batch", async () => {
    const lines = ["symbol,date,close", "A,2000-01-31,1", "A,2000-02-01,5", "A,2000-01-31,2", "A,2000-01-31,3"];
    expect(await loaded(files.write("together.csv", ...lines))).toEqual([
      "together.csv: 2 prices loaded of A, 2000-01-31 to 2000-02-01 (2 new, 0 corrected, 0 unchanged)",
      "  2 prices stand twice in the file: the later line counts",
    ]);
    const together = await prices(database);
    expect(together).toEqual(["A 2000-01-31 - - - 3 - -", "A 2000-02-01 - - - 5 - -"]);
    await emptyTables(database);
    await loaded(files.write("apart.csv", ...lines), { batchSize: 1 });
    expect(await prices(database)).toEqual(together);
  });

  test("a wide file brings a price for each filled cell", async () => {
    const path = files.write(
      "wide.csv",
      "Date,AAPL,MSFT,^GSPC",
      "2000-01-31,1,,3",
      "2000-02-01,,,",
      "2000-03-01,4,5,6",
    );
    expect(await loaded(path)).toEqual([
      "wide.csv: 5 prices loaded of 3 symbols, 2000-01-31 to 2000-03-01 (5 new, 0 corrected, 0 unchanged)",
    ]);
    expect(await prices(database)).toEqual([
      "AAPL 2000-01-31 - - - 1 - -",
      "AAPL 2000-03-01 - - - 4 - -",
      "MSFT 2000-03-01 - - - 5 - -",
      "^GSPC 2000-01-31 - - - 3 - -",
      "^GSPC 2000-03-01 - - - 6 - -",
    ]);
  });
  test("a file that is written to during its load is reported, and loads when it is complete", async () => {
    const path = files.write("A.csv", "date,close", "2000-01-31,1", "2000-02-01,2");
    await database.client.query("begin; lock table stocks in exclusive mode");
    const loading = load(database.connection, path).catch((thrown) => thrown);
    await waitUntilBlocked(database.client);
    files.write("A.csv", "date,close", "2000-01-31,1", "2000-02-01,2", "2000-02-02,3");
    await database.client.query("rollback");
    expect(files.cut((await loading).message)).toBe(
      "A.csv was changed while it was loaded\n" +
        "  why: What was read of it may be half a line, or half of two files.\n" +
        "  fix: Run the same command again once the file is complete.",
    );
    await loaded(path);
    expect(await prices(database)).toHaveLength(3);
  });
});
