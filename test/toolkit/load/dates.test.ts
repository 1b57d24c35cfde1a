import { expect, test } from "@jest/globals";
import { type DateOrder, dateReader, findDateOrder } from "../../../toolkit/load/dates.ts";

const today = new Date("2024-06-15T12:00:00Z");

test.each<[cell: string, order: DateOrder | undefined, iso: string]>([
  ["2000-01-31", undefined, "2000-01-31"],
  ["2000-1-3", undefined, "2000-01-03"],
  ["2000/01/31", undefined, "2000-01-31"],
  ["2000.01.31", undefined, "2000-01-31"],
  ["20000131", undefined, "2000-01-31"],
  ["2000-01-31T16:00:00Z", undefined, "2000-01-31"],
  ["2000-01-31 00:00:00-05:00", undefined, "2000-01-31"],
  ["Jan 31 2000", undefined, "2000-01-31"],
  ["Jan 31, 2000", undefined, "2000-01-31"],
  ["January 31, 2000", undefined, "2000-01-31"],
  ["Sept. 30, 2000", undefined, "2000-09-30"],
  ["MAR-01-2000", undefined, "2000-03-01"],
  ["31-Jan-2000", undefined, "2000-01-31"],
  ["31 january 2000", undefined, "2000-01-31"],
  ["01/31/2000", "mdy", "2000-01-31"],
  ["1/3/2000 16:00", "mdy", "2000-01-03"],
  ["1/3/2000", "dmy", "2000-03-01"],
  ["31.01.2000", "dmy", "2000-01-31"],
  ["2000-02-29", undefined, "2000-02-29"],
  ["1800-01-01", undefined, "1800-01-01"],
  ["2024-06-16", undefined, "2024-06-16"],
])("the date %j, order %s, is %s", (cell, order, iso) => {
  expect(dateReader(order, today)(cell)).toBe(iso);
});

test.each<[cell: string, order: DateOrder | undefined, reason: string]>([
  ["", undefined, "date is missing"],
  ["yesterday", undefined, 'date "yesterday" is not a date'],
  ["2000-13-01", undefined, 'date "2000-13-01" is not a date'],
  ["1900-02-29", undefined, 'date "1900-02-29" is not a date'],
  ["2000-00-10", undefined, 'date "2000-00-10" is not a date'],
  ["Janitor 5 2000", undefined, 'date "Janitor 5 2000" is not a date'],
  ["31-Jan-00", undefined, 'date "31-Jan-00" is not a date'],
  ["1/31/00", "mdy", 'date "1/31/00" is not a date'],
  ["31/01/2000", "mdy", 'date "31/01/2000" is not a date'],
  ["946684800", undefined, 'date "946684800" is not a date'],
  ["3/4/2000", undefined, "date 3/4/2000 could be day/month or month/day: say --date-format mdy or dmy"],
  ["1799-12-31", undefined, "date 1799-12-31 is before 1800"],
  ["2024-06-17", undefined, "date 2024-06-17 is in the future"],
  ["x\u001b[31m", undefined, 'date "x\\u001b[31m" is not a date'],
  ["x".repeat(50), undefined, `date "${"x".repeat(40)}…" is not a date`],
])("the date %j, order %s, is refused: %s", (cell, order, reason) => {
  expect(() => dateReader(order, today)(cell)).toThrow(new Error(reason));
});

test.each<[cells: string[], order: DateOrder | undefined]>([
  [["1/2/2000", "1/3/2000", "1/13/2000"], "mdy"],
  [["1/2/2000", "13/2/2000"], "dmy"],
  [["13.14.2000", "31.12.2000"], "dmy"],
  [["n/a", "1/13/2000"], "mdy"],
  [["2000-01-02", "1/2/2000"], undefined],
  [["nothing", "at all"], undefined],
  [[], undefined],
])("the dates %j tell the order %s", async (cells, order) => {
  expect(await findDateOrder(stream(cells), "f.csv")).toBe(order);
});

test("dates that can all be read both ways are not guessed at", async () => {
  await expect(findDateOrder(stream(["1/2/2000", "3/4/2000"]), "f.csv")).rejects.toThrow(
    new Error(
      "f.csv: 1/2/2000 could be day/month or month/day, and no date in the file tells which\n" +
        "  fix: Add --date-format mdy (month first) or --date-format dmy (day first).",
    ),
  );
});

async function* stream(cells: string[]): AsyncGenerator<string> {
  yield* cells;
}
