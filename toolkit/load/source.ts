import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { UserError } from "../errors.ts";
import { type DateOrder, findDateOrder } from "./dates.ts";
import { BadLine, splitLines } from "./fields.ts";
import { type Layout, recogniseLayout } from "./layout.ts";
import { type Line, type Place, readLines } from "./lines.ts";
import { type Decimal, findDecimal } from "./numbers.ts";
import { checkedSymbol, symbolOfFile } from "./symbols.ts";

/** How a file is to be read, where its header does not say it. */
export interface ReadingOptions {
  /** The symbol of a file of one symbol; left out, it is the file's name. */
  symbol?: string;
  /** Every column but the date is a symbol. */
  wide?: boolean;
  dateFormat?: DateOrder;
  decimal?: Decimal;
}

/** A file that can be loaded: looked at, nothing loaded yet. */
export interface Source {
  path: string;
  size: number;
  /** When its content last changed, in milliseconds since 1970. */
  modified: number;
  layout: Layout;
  /** The symbol of every line, in a file of one symbol. */
  symbol: string | undefined;
  dateOrder: DateOrder | undefined;
  decimal: Decimal;
  /** Where the first line after the header starts. */
  start: Place;
}

const byteOrderMarks = [
  { name: "UTF-8", bytes: [0xef, 0xbb, 0xbf] },
  { name: "UTF-16", bytes: [0xff, 0xfe] },
  { name: "UTF-16", bytes: [0xfe, 0xff] },
];

/**
 * Looks at a file: that it can be read, what its header says, in which order its dates are.
 * @throws UserError (exit code 2) for a file that is missing, a folder, empty, without data or of unknown layout
 */
export async function inspect(path: string, options: ReadingOptions = {}): Promise<Source> {
  const { size, modified } = await statusOf(path);
  const first = await firstLine(path, await afterMark(path), size);
  if (!first) throw new UserError(`${path} is empty`, { fix: "Give a CSV file with a header line.", exitCode: 2 });
  if (first.cut)
    throw new UserError(`${path} is not a CSV file of prices: its first line is longer than 4 MiB`, { exitCode: 2 });
  const layout = recogniseLayout(first.text, path, options.wide);
  const symbol = onlySymbol(path, layout, options.symbol);
  const start = { offset: first.end, line: first.number };
  if (!(await firstLine(path, start, size)))
    throw new UserError(`${path} has a header and no line of data`, { exitCode: 2 });

  const cells = (columns: number[]) => cellsOf(path, start, size, layout, columns);
  const prices = [...layout.prices.filter(({ column }) => column !== "volume"), ...layout.symbols];
  const dateOrder = options.dateFormat ?? (await findDateOrder(cells([layout.date]), path));
  // Only where the semicolon separates fields are commas usual as decimals.
  const decimal =
    options.decimal ??
    (layout.delimiter === ";" ? await findDecimal(cells(prices.map(({ index }) => index)), path) : "point");
  return { path, size, modified, layout, symbol, dateOrder, decimal, start };
}

async function statusOf(path: string): Promise<{ size: number; modified: number }> {
  try {
    const status = await stat(path);
    if (!status.isFile()) throw new UserError(`${path} is not a file`, { fix: "Name a CSV file.", exitCode: 2 });
    await (await open(path)).close();
    return { size: status.size, modified: status.mtimeMs };
  } catch (error) {
    if (error instanceof UserError) throw error;
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new UserError(missing ? `${path} does not exist` : `${path} cannot be read`, {
      why: missing ? undefined : (error as Error).message,
      exitCode: 2,
      cause: error,
    });
  }
}

async function afterMark(path: string): Promise<Place> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(3), 0, 3, 0);
    const mark = byteOrderMarks.find(({ bytes }) => bytes.every((byte, index) => buffer[index] === byte));
    if (mark?.name === "UTF-16")
      throw new UserError(`${path} is UTF-16, not UTF-8`, { fix: "Save it as CSV in UTF-8.", exitCode: 2 });
    return { offset: mark?.bytes.length ?? 0, line: 0 };
  } finally {
    await file.close();
  }
}

/** The first line, from a place on, that is not blank. */
async function firstLine(path: string, from: Place, size: number): Promise<Line | undefined> {
  for await (const lines of readLines(path, from, size)) {
    const line = lines.find(({ text }) => text.trim());
    if (line) return line;
  }
  return undefined;
}

function onlySymbol(path: string, layout: Layout, given: string | undefined): string | undefined {
  if (layout.symbol !== undefined || layout.symbols.length > 0) {
    if (given === undefined) return undefined;
    throw new UserError(`${path} names its symbols itself`, { fix: "Leave out --symbol.", exitCode: 2 });
  }
  try {
    return checkedSymbol(given ?? symbolOfFile(path));
  } catch (error) {
    if (!(error instanceof BadLine)) throw error;
    throw new UserError(`${path}: ${error.message}`, { fix: "Give the symbol with --symbol.", exitCode: 2 });
  }
}

/** The filled cells of some columns, line by line; lines that cannot be split are passed over. */
async function* cellsOf(
  path: string,
  start: Place,
  size: number,
  { delimiter, prefix }: Layout,
  columns: number[],
): AsyncGenerator<string> {
  for await (const lines of readLines(path, start, size)) {
    for (const { text } of lines) {
      const cells = splitLines([prefix ? text.replace(prefix, "") : text], delimiter)[0]!;
      if (cells instanceof BadLine) continue;
      for (const column of columns) {
        const cell = cells[column]?.trim();
        if (cell) yield cell;
      }
    }
  }
}

/** SHA-256 of what a file held when it was looked at, in hexadecimal. */
export async function contentHash({ path, size }: Source): Promise<string> {
  const hash = createHash("sha256");
  for await (const block of createReadStream(path, { end: size - 1, highWaterMark: 1 << 20 })) hash.update(block);
  return hash.digest("hex");
}

/**
 * Makes sure that a file is still the one that was looked at.
 * @throws UserError when it was written to since
 */
export async function refuseChanged({ path, size, modified }: Source): Promise<void> {
  const now = await statusOf(path);
  if (now.size === size && now.modified === modified) return;
  throw new UserError(`${path} was changed while it was loaded`, {
    why: "What was read of it may be half a line, or half of two files.",
    fix: "Run the same command again once the file is complete.",
  });
}
