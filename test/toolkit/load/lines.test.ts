import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";
import { type Line, readLines } from "../../../toolkit/load/lines.ts";

const folder = mkdtempSync(join(tmpdir(), "lines-"));
afterAll(() => rmSync(folder, { recursive: true }));

test.each<[content: string, lines: string[], ends: number[]]>([
  ["a\nb\n", ["a", "b"], [2, 4]],
  ["a\r\nb\r\n", ["a", "b"], [3, 6]],
  ["a\nb", ["a", "b"], [2, 3]],
  ["a\r\nb\r", ["a", "b"], [3, 5]],
  ["\n\na\n", ["", "", "a"], [1, 2, 4]],
  ["a\rb\n", ["a\rb"], [4]],
  ["é\0\n", [Buffer.from("é\0").toString("latin1")], [4]],
  ["", [], []],
])("the content %j has the lines %j, which end at %j", async (content, texts, ends) => {
  const lines = await read(content);
  expect(lines.map(({ text }) => text)).toEqual(texts);
  expect(lines.map(({ end }) => end)).toEqual(ends);
  expect(lines.map(({ number }) => number)).toEqual(texts.map((_, index) => index + 1));
});

test("each line's end is a place to go on from, also across blocks", async () => {
  const content = Array.from({ length: 60_000 }, (_, index) => `line ${index} é${"\r".repeat(index % 2)}\n`).join("");
  const all = await read(content);
  expect(all).toHaveLength(60_000);
  for (const index of [0, 1, 12_345, 59_998, 59_999]) {
    const { end, number } = all[index]!;
    expect(await read(content, { offset: end, line: number })).toEqual(all.slice(index + 1));
  }
});

test("what is appended to a file after it was looked at is not read", async () => {
  const [, last] = await read("one\ntwo\nthree\n", { offset: 0, line: 0 }, 6);
  expect(last).toEqual({ number: 2, text: "tw", end: 6, cut: false });
});

test("a line of 5 MiB is cut, and the lines around it are whole", async () => {
  const long = `start${"x".repeat(5 * 1024 * 1024)}`;
  const lines = await read(`before\n${long}\r\nafter\n${long}`);
  expect(lines.map(({ text, cut }) => [text.slice(0, 6), text.length, cut])).toEqual([
    ["before", 6, false],
    ["startx", 1_000, true],
    ["after", 5, false],
    ["startx", 1_000, true],
  ]);
  expect(lines.map(({ end }) => end)).toEqual([7, 7 + long.length + 2, 15 + long.length, 15 + 2 * long.length]);
});

test("a line of just under 4 MiB is whole", async () => {
  const long = "x".repeat(4 * 1024 * 1024);
  expect(await read(`${long}\n`)).toEqual([{ number: 1, text: long, end: long.length + 1, cut: false }]);
});

async function read(content: string, from = { offset: 0, line: 0 }, until = Buffer.byteLength(content)) {
  const path = join(folder, "file.csv");
  writeFileSync(path, content);
  const lines: Line[] = [];
  for await (const block of readLines(path, from, until)) lines.push(...block);
  return lines;
}
