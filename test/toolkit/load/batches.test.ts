import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";
import { type Batch, readAhead, readBatches } from "../../../toolkit/load/batches.ts";
import type { Place } from "../../../toolkit/load/lines.ts";
import { inspect } from "../../../toolkit/load/source.ts";

const folder = mkdtempSync(join(tmpdir(), "batches-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function batches(lines: string[], size: number, from?: Place): Promise<Batch[]> {
  const path = join(folder, "prices.csv");
  writeFileSync(path, ["symbol,date,close", ...lines].join("\n"));
  const source = await inspect(path);
  const found: Batch[] = [];
  for await (const batch of readBatches(source, from ?? source.start, size)) found.push(batch);
  return found;
}

const lines = [
  "A,2000-01-31,1",
  "A,2000-03-01,2",
  "B,never,3",
  "A,2000-01-31,4",
  "B,1999-12-31,5",
  "",
  "A,2000-02-01,6",
];

test("a batch holds lines for COPY, the later one of a day, and what it takes to store them", async () => {
  const [batch, ...others] = await batches(lines, 100);
  expect(others).toEqual([]);
  expect([...batch!.prices].map(([symbol, lines]) => [symbol, [...lines.values()]])).toEqual([
    ["A", ["2000-01-31\t4", "2000-03-01\t2", "2000-02-01\t6"]],
    ["B", ["1999-12-31\t5"]],
  ]);
  expect(batch).toMatchObject({
    size: 4,
    months: new Map([...Object.entries({ "2000-01": 2, "2000-03": 1, "1999-12": 1, "2000-02": 1 })]),
    firstDate: "1999-12-31",
    lastDate: "2000-03-01",
    repeated: 1,
    rejects: [{ line: 4, reason: 'date "never" is not a date', text: "B,never,3" }],
    lines: 6,
    end: { line: 8 },
  });
});

test("reading on from the end of any batch gives the batches that follow it", async () => {
  const all = await batches(lines, 2);
  expect(all.map(({ end }) => end.line)).toEqual([3, 5, 8]);
  for (const [index, { end }] of all.entries()) expect(await batches(lines, 2, end)).toEqual(all.slice(index + 1));
});

test("a batch ends after 16 MiB, however few prices that are", async () => {
  const long = "x".repeat(3 * 1024 * 1024);
  const found = await batches(Array(13).fill(long), 1_000);
  expect(found.map(({ rejects }) => rejects.length)).toEqual([6, 6, 1]);
});

test("reading ahead keeps order, and throws a failure in its turn", async () => {
  async function* failing(): AsyncGenerator<number> {
    yield 1;
    yield 2;
    throw new Error("at the end");
  }
  const seen: number[] = [];
  const reading = async () => {
    for await (const item of readAhead(failing())) seen.push(item);
  };
  await expect(reading()).rejects.toThrow("at the end");
  expect(seen).toEqual([1, 2]);
});

test("reading ahead lets go of its source when the consumer stops", async () => {
  let closed = false;
  async function* endless(): AsyncGenerator<number> {
    try {
      for (let number = 0; ; number++) yield number;
    } finally {
      closed = true;
    }
  }
  for await (const item of readAhead(endless())) if (item === 3) break;
  expect(closed).toBe(true);
});
