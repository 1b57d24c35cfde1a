import { expect, test } from "@jest/globals";
import { type Decimal, findDecimal, isZero, readPrice, readVolume } from "../../../toolkit/load/numbers.ts";

test.each<[cell: string, decimal: Decimal, text: string | null]>([
  ["39.81", "point", "39.81"],
  ["1469.250000", "point", "1469.250000"],
  [".5", "point", ".5"],
  ["5.", "point", "5."],
  ["+7", "point", "+7"],
  ["1.5e3", "point", "1.5e3"],
  ["0", "point", "0"],
  ["$1,234.50", "point", "1234.50"],
  ["€ 12.5", "point", "12.5"],
  ["1,234,567", "point", "1234567"],
  ["999999999999", "point", "999999999999"],
  ["12,5", "comma", "12.5"],
  ["1.234,56", "comma", "1234.56"],
  ["1.234", "comma", "1234"],
  ["", "point", null],
  ["null", "point", null],
  ["NaN", "point", null],
  ["N/A", "point", null],
  ["#N/A", "point", null],
  ["-", "point", null],
])("the price %j with a decimal %s is %s", (cell, decimal, text) => {
  expect(readPrice(cell, "close", decimal)).toBe(text);
});

test.each<[cell: string, decimal: Decimal, reason: string]>([
  ["abc", "point", 'close "abc" is not a number'],
  ["12,5", "point", 'close "12,5" is not a number'],
  ["0,123", "point", 'close "0,123" is not a number'],
  ["12.5", "comma", 'close "12.5" is not a number'],
  ["1,23,456", "point", 'close "1,23,456" is not a number'],
  ["Infinity", "point", 'close "Infinity" is not a number'],
  ["0x10", "point", 'close "0x10" is not a number'],
  ["1e400", "point", 'close "1e400" is not a number'],
  ["12 %", "point", 'close "12 %" is not a number'],
  ["-1.5", "point", "close -1.5 is negative"],
  ["$-1.5", "point", "close -1.5 is negative"],
  ["1000000000000", "point", "close 1000000000000 is too large: at most 999999999999"],
  ["1e99", "point", "close 1e99 is too large: at most 999999999999"],
  [`0.${"1".repeat(20_000)}`, "point", `close "0.${"1".repeat(38)}…" is not a number`],
  ["1\u001b[2J", "point", 'close "1\\u001b[2J" is not a number'],
  ["1\u009b2J", "point", 'close "1\\u009b2J" is not a number'],
])("the price %j with a decimal %s is refused", (cell, decimal, reason) => {
  expect(() => readPrice(cell, "close", decimal)).toThrow(new Error(reason));
});

test.each<[cell: string, decimal: Decimal, text: string | null]>([
  ["931800000", "point", "931800000"],
  ["0", "point", "0"],
  ["-0", "point", "0"],
  ["1,234,567", "point", "1234567"],
  ["1.234.567", "comma", "1234567"],
  ["5.20M", "point", "5200000"],
  ["5,20M", "comma", "5200000"],
  ["1.5b", "point", "1500000000"],
  ["3 K", "point", "3000"],
  ["931800000.0", "point", "931800000"],
  ["12.5", "point", "13"],
  ["-", "point", null],
  ["", "point", null],
])("the volume %j with a decimal %s is %s", (cell, decimal, text) => {
  expect(readVolume(cell, "volume", decimal)).toBe(text);
});

test.each<[cell: string, reason: string]>([
  ["-5", "volume -5 is negative"],
  ["9007199254740993", "volume 9007199254740993 is too large"],
  ["99999T", "volume 99999T is too large"],
  ["many", 'volume "many" is not a number'],
  ["M", 'volume "M" is not a number'],
])("the volume %j is refused", (cell, reason) => {
  expect(() => readVolume(cell, "volume", "point")).toThrow(new Error(reason));
});

test("a price is zero when nothing of it is left after the sixth decimal", () => {
  expect(["0", "0.000", "0.0000004", "1e-9"].map(isZero)).toEqual([true, true, true, true]);
  expect(["0.0000005", "0.000001", "1"].map(isZero)).toEqual([false, false, false]);
});

test.each<[cells: string[], decimal: Decimal]>([
  [["12,5"], "comma"],
  [["1.234", "1.234,5"], "comma"],
  [["1,234", "1,234.50"], "point"],
  [["1.234", "12.5"], "point"],
  [["1.234.567"], "comma"],
  [["1234.567"], "point"],
  [["0,123"], "comma"],
  [["€ 12,5"], "comma"],
  [["100", "200"], "point"],
  [["n/a", "a.b", "7,5"], "comma"],
  [[], "point"],
])("the prices %j have a decimal %s", async (cells, decimal) => {
  expect(await findDecimal(stream(cells), "f.csv")).toBe(decimal);
});

test("prices that can all be read both ways are not guessed at", async () => {
  await expect(findDecimal(stream(["100", "1.234", "2.345"]), "f.csv")).rejects.toThrow(
    new Error(
      "f.csv: 1.234 could have decimals or thousands, and no price in the file tells which\n" +
        "  fix: Add --decimal point or --decimal comma.",
    ),
  );
});

async function* stream(cells: string[]): AsyncGenerator<string> {
  yield* cells;
}
