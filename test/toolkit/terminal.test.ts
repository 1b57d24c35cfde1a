import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { count, progress } from "../../toolkit/terminal.ts";

let written: string[] = [];
const original = { isTTY: process.stderr.isTTY, columns: process.stderr.columns, term: process.env.TERM };

beforeEach(() => {
  written = [];
  jest.useFakeTimers({ now: 0 });
  jest.spyOn(process.stderr, "write").mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
});

afterEach(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
  terminal(original.isTTY, original.columns, original.term);
});

function terminal(isTTY: boolean, columns = 80, term = "xterm"): void {
  process.stderr.isTTY = isTTY;
  process.stderr.columns = columns;
  process.env.TERM = term;
}

function at(seconds: number): void {
  jest.setSystemTime(seconds * 1000);
}

test("a terminal shows a bar that is drawn over itself, at most ten times a second", () => {
  terminal(true);
  const bar = progress({ title: "a.csv", total: 200 });
  at(1);
  bar.update(50, "5 rows");
  at(1.05);
  bar.update(60, "6 rows");
  at(1.2);
  bar.update(100, "10 rows");
  at(2);
  bar.update(200, "20 rows");
  bar.stop();
  expect(written).toEqual([
    "\r\x1b[K[=======                     ] a.csv   25 %  5 rows  1 s",
    "\r\x1b[K[==============              ] a.csv   50 %  10 rows  1 s",
    "\r\x1b[K[============================] a.csv  100 %  20 rows  2 s",
    "\r\x1b[K[============================] a.csv  100 %  20 rows  2 s",
    "\n",
  ]);
});

test("the bar fits into a narrow terminal, which would otherwise wrap it and keep every redraw", () => {
  terminal(true, 50);
  const bar = progress({ title: "/a/very/long/folder/name/prices.csv", total: 100 });
  at(1);
  bar.update(50, "50,000 rows");
  expect(written).toEqual(["\r\x1b[K[==============              ] …es.csv   50 %  50"]);
});

test.each([
  ["a log", false, "xterm"],
  ["a terminal that can draw nothing", true, "dumb"],
])("%s gets a line every two seconds, and no control sign", (_, isTTY, term) => {
  terminal(isTTY, 80, term);
  const bar = progress({ title: "a.csv", total: 100 });
  for (const second of [1, 2, 3, 4]) {
    at(second);
    bar.update(second * 20, `${second} rows`);
  }
  at(5);
  bar.update(100, "5 rows");
  bar.stop();
  expect(written).toEqual([
    "a.csv   40 %  2 rows  2 s\n",
    "a.csv   80 %  4 rows  4 s\n",
    "a.csv  100 %  5 rows  5 s\n",
  ]);
});

test("what is over at once leaves nothing in a log", () => {
  terminal(false);
  const bar = progress({ title: "a.csv", total: 100 });
  at(1);
  bar.update(100);
  bar.stop();
  expect(written).toEqual([]);
});

test("where the total is not known, there is no bar and no percentage", () => {
  terminal(true);
  const bar = progress({ title: "a.csv", total: 0 });
  at(1);
  bar.update(50, "5 rows");
  expect(written).toEqual(["\r\x1b[Ka.csv  5 rows  1 s"]);
});

test("numbers have their thousands separated", () => {
  expect([0, 999, 1_000, 1_234_567.8].map(count)).toEqual(["0", "999", "1,000", "1,234,568"]);
});

test.each([
  ["forced", { FORCE_COLOR: "1" }, "\u001b[33mtext\u001b[39m\n"],
  ["refused", { NO_COLOR: "1" }, "text\n"],
  ["written to a file", {}, "text\n"],
])("colour that is %s", (_, variables, expected) => {
  const code = 'import { say, style } from "./toolkit/terminal.ts"; say(style("yellow", "text"));';
  const { NO_COLOR, FORCE_COLOR, ...env } = process.env;
  const done = spawnSync(process.execPath, ["--input-type=module-typescript", "-e", code], {
    env: { ...env, ...variables, NODE_NO_WARNINGS: "1" },
    encoding: "utf8",
  });
  expect(done).toMatchObject({ stderr: expected, stdout: "" });
});
