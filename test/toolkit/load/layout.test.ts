import { expect, test } from "@jest/globals";
import { type Layout, recogniseLayout } from "../../../toolkit/load/layout.ts";

/** A layout as one line: which thing stands in which column. */
function inShort({ delimiter, date, symbol, prices, symbols }: Layout): string {
  const long = prices.map(({ column, index }) => `${column}@${index}`);
  const wide = symbols.map((one) => `${one.symbol}=${one.index}`);
  return [delimiter, `date@${date}`, ...(symbol === undefined ? [] : [`symbol@${symbol}`]), ...long, ...wide].join(" ");
}

test.each<[who: string, header: string, layout: string]>([
  [
    "Yahoo's download",
    "Date,Open,High,Low,Close,Adj Close,Volume",
    ", date@0 open@1 high@2 low@3 close@4 adjusted_close@5 volume@6",
  ],
  [
    "Yahoo's page",
    "Date,Open,High,Low,Close*,Adj Close**,Volume",
    ", date@0 open@1 high@2 low@3 close@4 adjusted_close@5 volume@6",
  ],
  ["Stooq, one symbol", "Date,Open,High,Low,Close,Volume", ", date@0 open@1 high@2 low@3 close@4 volume@5"],
  [
    "Stooq in bulk",
    "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
    ", date@2 symbol@0 open@4 high@5 low@6 close@7 volume@8",
  ],
  ["Nasdaq", "Date,Close/Last,Volume,Open,High,Low", ", date@0 open@3 high@4 low@5 close@1 volume@2"],
  [
    "Investing",
    '"Date","Price","Open","High","Low","Vol.","Change %"',
    ", date@0 open@2 high@3 low@4 close@1 volume@5",
  ],
  ["Alpha Vantage", "timestamp,open,high,low,close,volume", ", date@0 open@1 high@2 low@3 close@4 volume@5"],
  [
    "Alpha Vantage, adjusted",
    "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient",
    ", date@0 open@1 high@2 low@3 close@4 adjusted_close@5 volume@6",
  ],
  [
    "Kaggle's five years",
    "date,open,high,low,close,volume,Name",
    ", date@0 symbol@6 open@1 high@2 low@3 close@4 volume@5",
  ],
  ["prices only", "symbol,date,price", ", date@1 symbol@0 close@2"],
  ["semicolons", "Ticker;Date;Close", "; date@1 symbol@0 close@2"],
  ["tabs", "date\tclose", "\t date@0 close@1"],
  ["a wide file", "Date,AAPL,BRK.B,^GSPC", ", date@0 AAPL=1 BRK.B=2 ^GSPC=3"],
  ["an empty name in a wide file", "Date,AAPL,", ", date@0 AAPL=1"],
])("the header of %s is recognised", (_, header, layout) => {
  expect(inShort(recogniseLayout(header, "f.csv"))).toBe(layout);
});

test("with --wide every column but the date is a symbol, whatever its name", () => {
  expect(inShort(recogniseLayout("date,low,msft", "f.csv", true))).toBe(", date@0 low=1 msft=2");
});

test("a reject file has the layout of the file whose lines it keeps", () => {
  const layout = recogniseLayout("line,reason,date,close", "f.csv");
  expect(inShort(layout)).toBe(", date@0 close@1");
  expect(layout.header).toBe("date,close");
  expect(layout.width).toBe(2);
  expect('12,"close ""x"", is not a number",2000-01-03,7'.replace(layout.prefix!, "")).toBe("2000-01-03,7");
  expect("12,close is zero,2000-01-03,7".replace(layout.prefix!, "")).toBe("2000-01-03,7");
});

test("a header of something else is refused with what is expected", () => {
  expect(() => recogniseLayout("id,name,address", "f.csv")).toThrow(
    new Error(
      "f.csv: the header is not that of a file of prices\n" +
        '  why: The first line is "id,name,address".\n' +
        "  fix: Expected is one of\n" +
        "       one symbol:    date, open, high, low, close, adjusted close, volume (only date and close are needed)\n" +
        "       many symbols:  the same with a column symbol or ticker\n" +
        "       prices only:   symbol, date, price\n" +
        "       wide:          date and a column for each symbol (--wide, if the columns do not look like symbols)",
    ),
  );
});

test.each<[header: string, wide: boolean, message: string]>([
  ["date,open,high", false, "f.csv: the header is not that of a file of prices"],
  ["2000-01-03,1,2,3", false, "f.csv: the header is not that of a file of prices"],
  ["date", false, "f.csv: the header is not that of a file of prices"],
  ["date,close,close", false, "f.csv: the header has two columns close\n  fix: Remove one of them."],
  ["Date,AAPL,AAPL", false, "f.csv: the header has two columns AAPL\n  fix: Remove one of them."],
  [
    "date,MSFT,Apple (adj)",
    true,
    'f.csv: in the header, symbol "Apple (adj)" is not a symbol\n' +
      "  why: In a wide file every column but the date is named by a symbol.\n" +
      "  fix: Correct or remove the column.",
  ],
  ["d\0a\0t\0e\0", false, "f.csv is not a CSV file in UTF-8: its first line holds a NUL byte"],
  ["\x89PNG", false, "f.csv is not a CSV file in UTF-8: its first line is not valid UTF-8"],
  ['"date,close', false, "f.csv is not a CSV file in UTF-8: its first line has a quote that is not closed"],
])("the header %j, wide %s, is refused", (header, wide, message) => {
  expect(() => recogniseLayout(header, "f.csv", wide)).toThrow(message);
});
