import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { load } from "../../../toolkit/load/load.ts";
import type { TestDatabase } from "../../support/database.ts";
import { createPriceDatabase, waitUntilBlocked } from "./tables.ts";

let folder: string;
let told: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "concurrency-"));
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

/** Writes a file of some symbols with one price a day, the days in the given order. */
function writeFile(name: string, symbols: string[], days: number[], price: number): string {
  const path = join(folder, name);
  const lines = days.flatMap((day) =>
    symbols.map((symbol) => `${symbol},${new Date(Date.UTC(2010, 0, 1 + day)).toISOString().slice(0, 10)},${price}`),
  );
  writeFileSync(path, `symbol,date,close\n${lines.join("\n")}\nX,never,1\n`);
  return path;
}

const days = Array.from({ length: 600 }, (_, index) => index);

async function inDatabase(shape: "plain" | "partitioned", work: (database: TestDatabase) => Promise<void>) {
  const database = await createPriceDatabase(shape);
  try {
    await work(database);
  } finally {
    await database.drop();
  }
}

async function stored({ client }: TestDatabase): Promise<{ rows: number; days: number }> {
  const { rows } = await client.query(
    `select count(*)::int as rows, count(distinct (stock_id, date))::int as days from price_history`,
  );
  return rows[0];
}

describe.each(["plain", "partitioned"] as const)("into a %s price_history", (shape) => {
  test("two loads of one file at once: one does the work, the other waits and finds it done", async () => {
    await inDatabase(shape, async (database) => {
      const path = writeFile("a.csv", ["A", "B"], days, 1);
      const both = await Promise.all([1, 2].map(() => load(database.connection, path, { batchSize: 200 })));
      expect(both.map(({ alreadyLoaded }) => alreadyLoaded).sort()).toEqual([false, true]);
      expect(both.map(({ inserted, rejected }) => [inserted, rejected])).toEqual([
        [1_200, 1],
        [1_200, 1],
      ]);
      expect(await stored(database)).toEqual({ rows: 1_200, days: 1_200 });
      expect(told).toContain("a.csv is being loaded by another session: waiting up to 60 s\n");
      expect(readdirSync(folder)).toEqual(["a.csv", "a.rejects.csv"]);
    });
  });

  test("files with the same symbols at once bring each day once, and each is counted by one of them", async () => {
    await inDatabase(shape, async (database) => {
      const files = [
        writeFile("a.csv", ["A", "B", "C"], days, 1),
        writeFile("b.csv", ["C", "B", "A"], days.toReversed(), 2),
        writeFile("c.csv", ["B", "D", "A"], days, 3),
      ];
      const results = await Promise.all(files.map((path) => load(database.connection, path, { batchSize: 200 })));
      expect(await stored(database)).toEqual({ rows: 2_400, days: 2_400 });
      const total = (of: "inserted" | "updated" | "unchanged") => results.reduce((sum, result) => sum + result[of], 0);
      expect([total("inserted"), total("updated"), total("unchanged")]).toEqual([2_400, 3_000, 0]);
    });
  });
});

test("two files that bring the same new symbols in opposite order do not end in a deadlock", async () => {
  await inDatabase("plain", async (database) => {
    const symbols = Array.from({ length: 30 }, (_, index) => `S${index}`);
    const files = [writeFile("a.csv", symbols, [1], 1), writeFile("b.csv", symbols.toReversed(), [1], 1)];
    // Among many stocks new ones are looked up one by one, in the order of the file.
    await database.client.query(`
      insert into stocks (symbol, name) select 'old' || n, 'old' from generate_series(1, 20000) as n;
      analyze stocks;
      create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(0.01); return new; end';
      create trigger slow before insert on stocks for each row execute function slow()`);
    const results = await Promise.all(files.map((path) => load(database.connection, path)));
    expect(results.map(({ inserted, unchanged }) => inserted + unchanged)).toEqual([30, 30]);
    expect(await stored(database)).toEqual({ rows: 30, days: 30 });
  });
});

test("a load that does not want to wait says who is in the way", async () => {
  await inDatabase("plain", async (database) => {
    const path = writeFile("a.csv", ["A"], days, 1);
    await database.client.query("begin; lock table stocks in exclusive mode");
    const first = load(database.connection, path);
    await waitUntilBlocked(database.client);
    const error = await load(database.connection, path, { wait: 0 }).catch((thrown) => thrown);
    expect(error.message).toBe(
      `${path} is being loaded by another session\n  fix: Wait until it is done, or wait longer with --wait SECONDS.`,
    );
    await database.client.query("rollback");
    expect((await first).inserted).toBe(600);
  });
});
