import { UserError } from "../errors.ts";
import { BadLine, type Delimiter, decode, splitLines } from "./fields.ts";
import { checkedSymbol } from "./symbols.ts";

/** The columns of price_history that a file can fill. */
export const priceColumns = ["open", "high", "low", "close", "adjusted_close", "volume"] as const;
export type PriceColumn = (typeof priceColumns)[number];

/** Where in a line each thing stands. */
export interface Layout {
  delimiter: Delimiter;
  /** The header line as it was, bytes as characters, without the loader's own two columns. */
  header: string;
  /** How many fields each line has. */
  width: number;
  /** In a reject file that is loaded again, the two columns that the loader put before each line; not part of it. */
  prefix: RegExp | undefined;
  date: number;
  /** Long files: the column of the symbol, if there is one, and those of the prices. */
  symbol: number | undefined;
  prices: { column: PriceColumn; index: number }[];
  /** Wide files: the column of each symbol's closing price. */
  symbols: { symbol: string; index: number }[];
}

/** The two columns that the loader puts before a line that it keeps aside. */
export const rejectColumns = ["line", "reason"] as const;

const delimiters: Delimiter[] = [",", ";", "\t", "|"];

// Names as they are after `simplify`; where a file has several names of one thing, the first in the list counts.
const aliases: Record<PriceColumn | "date" | "symbol", string[]> = {
  date: ["date", "tradedate", "tradingday", "day", "datetime", "timestamp", "time"],
  symbol: ["symbol", "ticker", "tickersymbol", "name"],
  open: ["open", "openprice", "openingprice"],
  high: ["high", "highprice", "dayhigh"],
  low: ["low", "lowprice", "daylow"],
  close: ["close", "closeprice", "closingprice", "close/last", "last", "lastprice", "price"],
  adjusted_close: ["adjclose", "adjustedclose", "adjcloseprice", "adjustedcloseprice", "closeadj", "closeadjusted"],
  volume: ["volume", "vol", "sharevolume", "tradedvolume"],
};

// A header that is taken for symbols without being asked must look like symbols: AAPL, BRK.B, ^GSPC, EURUSD=X.
const tickerLike = /^[\^A-Z0-9][A-Z0-9.^=:/-]{0,14}$/;

const expected = [
  "one symbol:    date, open, high, low, close, adjusted close, volume (only date and close are needed)",
  "many symbols:  the same with a column symbol or ticker",
  "prices only:   symbol, date, price",
  "wide:          date and a column for each symbol (--wide, if the columns do not look like symbols)",
].join("\n       ");

function simplify(name: string): string {
  return name.toLowerCase().replace(/[\s_.*<>-]/g, "");
}

/**
 * Recognises a file's layout from its first line.
 * @param wide true: every column but the date is a symbol, whatever its name
 * @throws UserError (exit code 2) that names the header found and what was expected
 */
export function recogniseLayout(line: string, file: string, wide = false): Layout {
  const delimiter = mostFrequentDelimiter(line);
  const prefix = line.startsWith(rejectColumns.join(delimiter)) ? prefixPattern(delimiter) : undefined;
  const header = prefix ? line.replace(prefix, "") : line;
  const cells = headerCells(header, delimiter, file);
  const [date, symbol] = [findColumn(cells, aliases.date), findColumn(cells, aliases.symbol)];
  const prices = priceColumns.flatMap((column) => {
    const index = findColumn(cells, aliases[column]);
    return index === undefined ? [] : [{ column, index }];
  });
  const others = cells.map((name, index) => ({ symbol: name, index })).filter(({ index }) => index !== date);
  const symbols = others.filter((other) => other.symbol !== "");

  const looksWide = prices.length === 0 && symbol === undefined && symbols.every((one) => tickerLike.test(one.symbol));
  const base = { delimiter, header, width: cells.length, prefix };
  if (date !== undefined && symbols.length > 0 && (wide || looksWide)) {
    const names = symbols.map((one) => one.symbol);
    refuseTwice(names, file);
    refuseNoSymbols(names, file);
    return { ...base, date, symbol: undefined, prices: [], symbols };
  }
  if (date !== undefined && !wide && prices.some(({ column }) => column === "close")) {
    const used = new Set([date, symbol, ...prices.map(({ index }) => index)].map((index) => cells[index ?? -1]));
    const names = cells.filter((cell) => used.has(cell));
    refuseTwice(names, file);
    return { ...base, date, symbol, prices, symbols: [] };
  }
  throw unrecognised(cells.join(delimiter), file);
}

function mostFrequentDelimiter(line: string): Delimiter {
  const counts = delimiters.map((delimiter) => line.split(delimiter).length);
  return delimiters[counts.indexOf(Math.max(...counts))]!;
}

/** Matches the line number and the reason, which is quoted unless a spreadsheet has taken the quotes away. */
function prefixPattern(delimiter: Delimiter): RegExp {
  const sign = delimiter === "|" ? "\\|" : delimiter;
  return new RegExp(`^[^${sign}"]*${sign}(?:"(?:[^"]|"")*"|[^${sign}"]*)${sign}`);
}

function headerCells(header: string, delimiter: Delimiter, file: string): string[] {
  try {
    const cells = splitLines([decode(header)], delimiter)[0]!;
    if (cells instanceof BadLine) throw cells;
    return cells.map((cell) => cell.trim());
  } catch (error) {
    if (!(error instanceof BadLine)) throw error;
    throw new UserError(`${file} is not a CSV file in UTF-8: its first line ${error.message}`, { exitCode: 2 });
  }
}

function findColumn(cells: string[], known: string[]): number | undefined {
  const names = cells.map(simplify);
  return known.map((name) => names.indexOf(name)).find((index) => index >= 0);
}

function refuseTwice(names: string[], file: string): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return;
  throw new UserError(`${file}: the header has two columns ${twice}`, { fix: "Remove one of them.", exitCode: 2 });
}

function refuseNoSymbols(names: string[], file: string): void {
  try {
    names.forEach(checkedSymbol);
  } catch (error) {
    if (!(error instanceof BadLine)) throw error;
    throw new UserError(`${file}: in the header, ${error.message}`, {
      why: "In a wide file every column but the date is named by a symbol.",
      fix: "Correct or remove the column.",
      exitCode: 2,
    });
  }
}

function unrecognised(header: string, file: string): UserError {
  const shown = JSON.stringify(header.length > 200 ? `${header.slice(0, 200)}…` : header);
  return new UserError(`${file}: the header is not that of a file of prices`, {
    why: `The first line is ${shown}.`,
    fix: `Expected is one of\n       ${expected}`,
    exitCode: 2,
  });
}
