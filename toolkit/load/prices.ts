import { dateReader } from "./dates.ts";
import { BadLine, decode, ownText, splitLines } from "./fields.ts";
import type { PriceColumn } from "./layout.ts";
import { type Line, longestLine } from "./lines.ts";
import { isZero, readPrice, readVolume } from "./numbers.ts";
import type { Source } from "./source.ts";
import { checkedSymbol } from "./symbols.ts";

/** The price of one symbol on one day, checked, as text that PostgreSQL takes. */
export interface Price {
  symbol: string;
  date: string;
  /** One value for each of {@link filledColumns}; null where the file has none. */
  values: (string | null)[];
}

/** What a line holds: the prices on it, or why it is kept aside. */
export type Reading = { line: Line; prices: Price[] } | { line: Line; reason: string };

/** The columns of price_history that a file fills; the others are left as they are. */
export function filledColumns({ layout }: Source): PriceColumn[] {
  return layout.symbols.length > 0 ? ["close"] : layout.prices.map(({ column }) => column);
}

/**
 * Makes the reader of a file's lines. A wide line gives a price for each filled cell; a line is taken or kept aside
 * as a whole, so that it can be corrected and loaded again. Blank lines are passed over.
 */
export function lineReader(source: Source): (lines: Line[]) => Reading[] {
  const { layout, decimal } = source;
  const readDate = dateReader(source.dateOrder);
  const readCells = layout.symbols.length > 0 ? readWide : readLong;
  const symbols = new Map<string, string>();
  const fields = layout.prices.map(({ column, index }) => ({
    index,
    name: nameOf(column),
    read: column === "volume" ? readVolume : readPrice,
  }));
  const place = (column: PriceColumn) => layout.prices.findIndex((price) => price.column === column);
  const places = {
    ...{ close: place("close"), adjusted: place("adjusted_close") },
    ...{ high: place("high"), low: place("low") },
  };

  function symbolOf(cell: string): string {
    const known = symbols.get(cell);
    if (known !== undefined) return known;
    const symbol = ownText(checkedSymbol(cell));
    symbols.set(symbol, symbol);
    return symbol;
  }

  function readWide(cells: string[]): Price[] {
    const date = readDate(cells[layout.date]!.trim());
    return layout.symbols.flatMap(({ symbol, index }) => {
      const close = readPrice(cells[index]!.trim(), symbol, decimal);
      if (close === null) return [];
      refuseZero(close, symbol);
      return [{ symbol, date, values: [close] }];
    });
  }

  function readLong(cells: string[]): Price[] {
    const date = readDate(cells[layout.date]!.trim());
    const symbol = source.symbol ?? symbolOf(cells[layout.symbol!]!.trim());
    const values = fields.map(({ index, name, read }) => read(cells[index]!.trim(), name, decimal));
    checkTogether(values[places.close], values[places.adjusted], values[places.high], values[places.low]);
    return [{ symbol, date, values }];
  }

  function reading(line: Line, cells: string[] | BadLine): Reading {
    try {
      if (line.cut) throw new BadLine(`is longer than ${longestLine / 1024 / 1024} MiB: only its start is kept`);
      if (cells instanceof BadLine) throw cells;
      if (cells.length !== layout.width)
        throw new BadLine(`has ${columns(cells.length)} where the header has ${layout.width}`);
      return { line, prices: readCells(cells) };
    } catch (error) {
      if (error instanceof BadLine) return { line, reason: error.message };
      throw error;
    }
  }

  return (lines) => {
    const filled = lines
      .map((line) => (layout.prefix ? { ...line, text: line.text.replace(layout.prefix, "") } : line))
      .filter(({ text }) => text.trim() !== "");
    const texts = filled.map(({ text }) => decodeOrReason(text));
    const cells = splitLines(
      texts.map((text) => (text instanceof BadLine ? "" : text)),
      layout.delimiter,
    );
    return filled.map((line, index) => {
      const text = texts[index]!;
      return reading(line, text instanceof BadLine ? text : cells[index]!);
    });
  };
}

function decodeOrReason(bytes: string): string | BadLine {
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof BadLine) return error;
    throw error;
  }
}

/** Checks what the prices of a line must be to each other, and which of them there must be. */
function checkTogether(...[close, adjusted, high, low]: (string | null | undefined)[]): void {
  if (!close) throw new BadLine("close is missing");
  refuseZero(close, "close");
  // Returns are ratios of adjusted closes: a zero would make one of them infinite.
  if (adjusted) refuseZero(adjusted, "adjusted close");
  if (high && low && Number(high) < Number(low)) throw new BadLine(`high ${high} is below low ${low}`);
}

function refuseZero(price: string, name: string): void {
  if (isZero(price)) throw new BadLine(`${name} is zero`);
}

function nameOf(column: PriceColumn): string {
  return column.replace("_", " ");
}

function columns(count: number): string {
  return `${count} column${count === 1 ? "" : "s"}`;
}
