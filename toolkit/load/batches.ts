import { type Place, readLines } from "./lines.ts";
import { lineReader, type Price } from "./prices.ts";
import type { Source } from "./source.ts";

/** A line that is kept aside. */
export interface Reject {
  line: number;
  reason: string;
  /** The line as it was, bytes as characters. */
  text: string;
}

/** A part of a file that is stored in one transaction. */
export interface Batch {
  /**
   * Lines in COPY's text format without their symbol, by symbol and date: where a file has a day twice, the later line
   * wins.
   */
  prices: Map<string, Map<string, string>>;
  /** How many prices these are. */
  size: number;
  /** How many prices the file has of each day, and of each month, as 2000-01. */
  days: Map<string, number>;
  months: Map<string, number>;
  firstDate: string | null;
  lastDate: string | null;
  /** Prices that a later line of the batch replaced. */
  repeated: number;
  rejects: Reject[];
  /** Lines that held data, the rejected ones included. */
  lines: number;
  /** Where the next batch starts. */
  end: Place;
}

// Rejected lines of some megabytes each would otherwise add up to more memory than any number of prices.
const largestBatch = 16 * 1024 * 1024;

function emptyBatch(end: Place): Batch {
  const maps = { prices: new Map(), days: new Map(), months: new Map() };
  return { ...maps, size: 0, firstDate: null, lastDate: null, repeated: 0, rejects: [], lines: 0, end };
}

/**
 * Cuts a file into batches of about `size` prices, from a place on. Where a batch ends depends only on where it
 * starts: a load that was interrupted goes on with the batches that it would have had.
 */
export async function* readBatches(source: Source, from: Place, size: number): AsyncGenerator<Batch> {
  const read = lineReader(source);
  let [batch, start] = [emptyBatch(from), from.offset];
  for await (const lines of readLines(source.path, from, source.size)) {
    for (const reading of read(lines)) {
      batch.lines += 1;
      batch.end = { offset: reading.line.end, line: reading.line.number };
      if ("reason" in reading) {
        batch.rejects.push({ line: reading.line.number, reason: reading.reason, text: reading.line.text });
      } else {
        for (const price of reading.prices) add(batch, price);
      }
      if (batch.size + batch.rejects.length >= size || batch.end.offset - start >= largestBatch) {
        yield summed(batch);
        [batch, start] = [emptyBatch(batch.end), batch.end.offset];
      }
    }
  }
  if (batch.lines > 0) yield summed(batch);
}

// Symbols and dates are the same few strings again and again: as keys they are hashed once.
function add(batch: Batch, { symbol, date, values }: Price): void {
  let ofSymbol = batch.prices.get(symbol);
  if (!ofSymbol) {
    ofSymbol = new Map();
    batch.prices.set(symbol, ofSymbol);
  }
  if (ofSymbol.has(date)) batch.repeated += 1;
  else batch.size += 1;
  // Symbols, dates and numbers were checked: nothing in them needs escaping.
  const filled = values.includes(null) ? values.map((value) => value ?? "\\N") : values;
  ofSymbol.set(date, `${date}\t${filled.join("\t")}`);
  batch.days.set(date, (batch.days.get(date) ?? 0) + 1);
}

function summed(batch: Batch): Batch {
  for (const [date, prices] of batch.days) {
    const month = date.slice(0, 7);
    batch.months.set(month, (batch.months.get(month) ?? 0) + prices);
    if (batch.firstDate === null || date < batch.firstDate) batch.firstDate = date;
    if (batch.lastDate === null || date > batch.lastDate) batch.lastDate = date;
  }
  return batch;
}

/** Reads the next item while the last one is worked on: parsing here overlaps with merging in the server. */
export async function* readAhead<T>(items: AsyncGenerator<T>): AsyncGenerator<T> {
  let next = items.next();
  try {
    for (let item = await next; !item.done; item = await next) {
      next = items.next();
      // A failure is thrown when its turn comes; until then it must not count as unhandled.
      next.catch(() => {});
      yield item.value;
    }
  } finally {
    await next.catch(() => {});
    await items.return(undefined);
  }
}
