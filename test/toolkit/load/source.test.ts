import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";
import { readLines } from "../../../toolkit/load/lines.ts";
import { lineReader } from "../../../toolkit/load/prices.ts";
import { inspect, type ReadingOptions } from "../../../toolkit/load/source.ts";

const folder = mkdtempSync(join(tmpdir(), "source-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(content: string | Buffer, name = "acme.csv"): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Each line of a file as `number symbol date values`, or as `number reason`. */
async function readAll(content: string | Buffer, options: ReadingOptions = {}, name?: string): Promise<string[]> {
  const source = await inspect(write(content, name), options);
  const read = lineReader(source);
  const lines: string[] = [];
  for await (const block of readLines(source.path, source.start, source.size))
    for (const reading of read(block)) {
      const { number } = reading.line;
      if ("reason" in reading) lines.push(`${number} ${reading.reason}`);
      else
        for (const { symbol, date, values } of reading.prices) lines.push([number, symbol, date, ...values].join(" "));
    }
  return lines;
}

test.each<[what: string, content: string | Buffer, options: ReadingOptions, lines: string[]]>([
  ["a plain file", "date,close\n2000-01-03,1\n2000-01-04,2\n", {}, ["2 ACME 2000-01-03 1", "3 ACME 2000-01-04 2"]],
  ["CRLF line ends", "date,close\r\n2000-01-03,1\r\n", {}, ["2 ACME 2000-01-03 1"]],
  ["a byte order mark", "\ufeffdate,close\n2000-01-03,1\n", {}, ["2 ACME 2000-01-03 1"]],
  ["no line end at the end", "date,close\n2000-01-03,1", {}, ["2 ACME 2000-01-03 1"]],
  ["blank lines", "\n\ndate,close\n\n  \n2000-01-03,1\n\n", {}, ["6 ACME 2000-01-03 1"]],
  ["quotes", '"date","close"\n"2000-01-03","1,234.5"\n', {}, ["2 ACME 2000-01-03 1234.5"]],
  ["spaces around fields", "date, close\n 2000-01-03 , 1 \n", {}, ["2 ACME 2000-01-03 1"]],
  ["a given symbol", "date,close\n2000-01-03,1\n", { symbol: "X.Y" }, ["2 X.Y 2000-01-03 1"]],
  ["a column of symbols", "symbol,date,price\nÖ,2000-01-03,1\n", {}, ["2 Ö 2000-01-03 1"]],
  ["missing values", "date,open,close,volume\n2000-01-03,,1,null\n", {}, ["2 ACME 2000-01-03  1 "]],
  ["a wide file", "Date,A,B\n2000-01-03,1,\n2000-01-04,,\n", {}, ["2 A 2000-01-03 1"]],
  [
    "Nasdaq's dates and dollars",
    "Date,Close/Last,Volume,Open,High,Low\n01/31/2000,$12.50,1000,$12.00,$13.00,$11.00\n",
    {},
    ["2 ACME 2000-01-31 12.00 13.00 11.00 12.50 1000"],
  ],
  [
    "Investing's quotes and short volumes",
    '\ufeff"Date","Price","Open","High","Low","Vol.","Change %"\r\n"Jan 31, 2000","1,250.00","1,200","1,300","1,100","5.2M","1%"\r\n',
    {},
    ["2 ACME 2000-01-31 1200 1300 1100 1250.00 5200000"],
  ],
  [
    "Stooq's bulk file",
    "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\nAAPL.US,D,20000131,000000,1,3,1,2,100,0\n",
    {},
    ["2 AAPL.US 2000-01-31 1 3 1 2 100"],
  ],
  [
    "a European file",
    "date;close\n31.01.2000;1.234,5\n01.02.2000;7\n",
    {},
    ["2 ACME 2000-01-31 1234.5", "3 ACME 2000-02-01 7"],
  ],
  ["a given date order", "date,close\n1/2/2000,7\n", { dateFormat: "dmy" }, ["2 ACME 2000-02-01 7"]],
  ["a given decimal sign", "date;close\n2000-01-03;1.234\n", { decimal: "comma" }, ["2 ACME 2000-01-03 1234"]],
])("%s is read", async (_, content, options, lines) => {
  expect(await readAll(content, options)).toEqual(lines);
});

test("every bad line is told apart, and the good ones around them are read", async () => {
  const lines: (string | Buffer)[] = [
    "symbol,date,open,high,low,close,adj close,volume",
    "A,2000-01-03,1,1,1,1,1,1",
    "A,2000-01-03,1,1,1,1,1",
    "A,someday,1,1,1,1,1,1",
    "A,2000-01-03,1,1,1,,1,1",
    "A,2000-01-03,1,1,1,0,1,1",
    "A,2000-01-03,1,1,1,1,0,1",
    "A,2000-01-03,1,1,2,1,1,1",
    "A,2000-01-03,x,1,1,1,1,1",
    "A,2000-01-03,1,1,1,1,1,-1",
    "A\\B,2000-01-03,1,1,1,1,1,1",
    ",2000-01-03,1,1,1,1,1,1",
    'A,"2000-01-03,1,1,1,1,1,1',
    "A,2000-01-03,1,1,1,1,1,1\0",
    Buffer.from("caf\xe9,2000-01-03,1,1,1,1,1,1", "latin1"),
    `A,2000-01-03,1,1,1,1,1,${"1".repeat(5 * 1024 * 1024)}`,
    "B,2000-01-04,1,2,1,1,1,1",
  ];
  expect(await readAll(Buffer.concat(lines.flatMap((line) => [Buffer.from(line), Buffer.from("\n")])))).toEqual([
    "2 A 2000-01-03 1 1 1 1 1 1",
    "3 has 7 columns where the header has 8",
    '4 date "someday" is not a date',
    "5 close is missing",
    "6 close is zero",
    "7 adjusted close is zero",
    "8 high 1 is below low 2",
    '9 open "x" is not a number',
    "10 volume -1 is negative",
    '11 symbol "A\\\\B" is not a symbol',
    "12 symbol is missing",
    "13 has a quote that is not closed, or that stands inside a field",
    "14 holds a NUL byte",
    "15 is not valid UTF-8",
    "16 is longer than 4 MiB: only its start is kept",
    "17 B 2000-01-04 1 2 1 1 1 1",
  ]);
});

test("a bad price in a wide file keeps the whole line aside, by the symbol's name", async () => {
  expect(await readAll("Date,A,B\n2000-01-03,1,x\n2000-01-04,0,1\n")).toEqual([
    '2 B "x" is not a number',
    "3 A is zero",
  ]);
});

test("a first line with a bad date does not decide about the others", async () => {
  expect(await readAll("date,close\nn/a,1\n1/31/2000,2\n")).toEqual([
    '2 date "n/a" is not a date',
    "3 ACME 2000-01-31 2",
  ]);
});

test.each<[what: string, content: string | Buffer, options: ReadingOptions, name: string, message: string]>([
  ["empty", "", {}, "a.csv", "a.csv is empty\n  fix: Give a CSV file with a header line."],
  ["only blank lines", "\n \n", {}, "a.csv", "a.csv is empty\n  fix: Give a CSV file with a header line."],
  [
    "one line of 5 MiB",
    `date,${"x".repeat(5 << 20)}\n2000-01-03,1\n`,
    {},
    "a.csv",
    "a.csv is not a CSV file of prices: its first line is longer than 4 MiB",
  ],
  ["only a header", "date,close\n\n", {}, "a.csv", "a.csv has a header and no line of data"],
  [
    "UTF-16",
    Buffer.from("\ufeffdate,close\n", "utf16le"),
    {},
    "a.csv",
    "a.csv is UTF-16, not UTF-8\n  fix: Save it as CSV in UTF-8.",
  ],
  [
    "UTF-16 without a mark",
    Buffer.from("date,close\n2000-01-03,1\n", "utf16le"),
    {},
    "a.csv",
    "a.csv is not a CSV file in UTF-8: its first line holds a NUL byte",
  ],
  [
    "named like no symbol",
    "date,close\n2000-01-03,1\n",
    {},
    "a (1).csv",
    'a (1).csv: symbol "A (1)" is not a symbol\n  fix: Give the symbol with --symbol.',
  ],
  [
    "given a symbol it does not need",
    "symbol,date,price\nA,2000-01-03,1\n",
    { symbol: "B" },
    "a.csv",
    "a.csv names its symbols itself\n  fix: Leave out --symbol.",
  ],
  [
    "ambiguous in its dates",
    "date,close\n1/2/2000,1\n",
    {},
    "a.csv",
    "a.csv: 1/2/2000 could be day/month or month/day, and no date in the file tells which\n" +
      "  fix: Add --date-format mdy (month first) or --date-format dmy (day first).",
  ],
  [
    "ambiguous in its prices",
    "date;close\n2000-01-03;1.234\n",
    {},
    "a.csv",
    "a.csv: 1.234 could have decimals or thousands, and no price in the file tells which\n" +
      "  fix: Add --decimal point or --decimal comma.",
  ],
])("a file that is %s is refused", async (_, content, options, name, message) => {
  const error = await inspect(write(content, name), options).catch((thrown) => thrown);
  expect(error.message.replaceAll(`${folder}/`, "")).toBe(message);
  expect(error.exitCode).toBe(2);
});

test("a file that is missing, or is a folder, is refused", async () => {
  const messageFor = (path: string) => inspect(path).catch((error: Error) => error.message);
  expect(await messageFor(join(folder, "none.csv"))).toBe(`${folder}/none.csv does not exist`);
  expect(await messageFor(folder)).toBe(`${folder} is not a file\n  fix: Name a CSV file.`);
});
