import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type pg from "pg";
import { from as copyFrom } from "pg-copy-streams";

/** Lines with ids for symbols, ordered by id and date, so that what is read together lies together. */
export function* inKeyOrder(prices: Map<string, string[]>, stocks: Map<string, number>): Generator<string> {
  // A line starts with its date, of which a stock has each once: the order of the texts is that of the dates.
  for (const [symbol, id] of stocks) for (const line of prices.get(symbol)?.sort() ?? []) yield `${id}\t${line}`;
}

/** Lines with their symbols. */
export function* bySymbol(prices: Map<string, string[]>): Generator<string> {
  for (const [symbol, lines] of prices) for (const line of lines) yield `${symbol}\t${line}`;
}

/** Copies lines into a table with its columns, as SQL names them. */
export async function copy(client: pg.Client, into: string, lines: Iterable<string>): Promise<void> {
  await pipeline(Readable.from(copyBlocks(lines)), client.query(copyFrom(`copy ${into} from stdin`)));
}

const blockLines = 1_000;

function* copyBlocks(all: Iterable<string>): Generator<string> {
  let lines: string[] = [];
  for (const line of all) {
    lines.push(line);
    if (lines.length < blockLines) continue;
    yield `${lines.join("\n")}\n`;
    lines = [];
  }
  if (lines.length > 0) yield `${lines.join("\n")}\n`;
}
