import { expect, test } from "@jest/globals";
import { BadLine, type Delimiter, decode, quote, splitLines } from "../../../toolkit/load/fields.ts";
import { checkedSymbol, symbolOfFile } from "../../../toolkit/load/symbols.ts";

const open = new BadLine("has a quote that is not closed, or that stands inside a field");

test.each<[lines: string[], delimiter: Delimiter, fields: (string[] | BadLine)[]]>([
  [
    ["a,b", "c,d"],
    ",",
    [
      ["a", "b"],
      ["c", "d"],
    ],
  ],
  [["a;b,c"], ";", [["a", "b,c"]]],
  [["a\tb"], "\t", [["a", "b"]]],
  [["a,,"], ",", [["a", "", ""]]],
  [
    ['"a","1,234.5"', "c,d"],
    ",",
    [
      ["a", "1,234.5"],
      ["c", "d"],
    ],
  ],
  [['"say ""hi""",b'], ",", [['say "hi"', "b"]]],
  [["a,b", "", '"c",d'], ",", [["a", "b"], [""], ["c", "d"]]],
  [['"a",b', ""], ",", [["a", "b"], [""]]],
  [['"a,b', "c,d", '"e",f'], ",", [open, ["c", "d"], ["e", "f"]]],
  [['"a,b', 'c",d'], ",", [open, open]],
  [['a,5" pipe', "c,d"], ",", [open, ["c", "d"]]],
  [['"'], ",", [open]],
])("the lines %j, split at %j, are %j", (lines, delimiter, fields) => {
  expect(splitLines(lines, delimiter)).toEqual(fields);
});

test.each([
  ["plain", "plain"],
  [Buffer.from("Société, 12 €").toString("latin1"), "Société, 12 €"],
])("the bytes %j are %j", (bytes, text) => {
  expect(decode(bytes)).toBe(text);
});

test.each([
  ["a\0b", "holds a NUL byte"],
  ["caf\xe9", "is not valid UTF-8"],
  ["\xed\xa0\x80", "is not valid UTF-8"],
  ["\xc3", "is not valid UTF-8"],
])("the bytes %j are refused: %s", (bytes, reason) => {
  expect(() => decode(bytes)).toThrow(new BadLine(reason));
});

test("a quoted cell is short and does nothing to a terminal", () => {
  expect(quote('a"b\u001b[2J\u202e\u007f')).toBe('"a\\"b\\u001b[2J\\u202e\\u007f"');
  expect(quote("x".repeat(41))).toBe(`"${"x".repeat(40)}…"`);
});

test.each(["AAPL", "BRK.B", "^GSPC", "EURUSD=X", "BTC-USD", "600519", "7203.T", "Ørsted", "S&P 500", "a".repeat(32)])(
  "%j is a symbol",
  (symbol) => {
    expect(checkedSymbol(symbol)).toBe(symbol);
  },
);

test.each([
  ["", "symbol is missing"],
  ["A\tB", 'symbol "A\\tB" is not a symbol'],
  ["A\\N", 'symbol "A\\\\N" is not a symbol'],
  ["\\.", 'symbol "\\\\." is not a symbol'],
  ["A\nB", 'symbol "A\\nB" is not a symbol'],
  ["-A", 'symbol "-A" is not a symbol'],
  ["a'; drop table stocks", 'symbol "a\'; drop table stocks" is not a symbol'],
  ["a".repeat(33), `symbol "${"a".repeat(33)}" is not a symbol`],
])("%j is no symbol", (symbol, reason) => {
  expect(() => checkedSymbol(symbol)).toThrow(new BadLine(reason));
});

test("a file's name says its symbol", () => {
  expect(
    ["/x/aapl.csv", "brk.b.CSV", "aapl.rejects.csv", "aapl.rejects.rejects.csv", "^spx"].map(symbolOfFile),
  ).toEqual(["AAPL", "BRK.B", "AAPL", "AAPL", "^SPX"]);
});
