import type { Batch } from "./batches.ts";

/** Where a batch's prices go: to price_history, or to a new month that is filled apart. */
export interface Part {
  table: string;
  month: string | undefined;
  /** Lines by symbol, from their date on, in the file's order. */
  prices: Map<string, string[]>;
  /** The day with which the file goes on here. */
  begins: string;
  size: number;
  firstDate: string;
  lastDate: string;
}

/** @param tableOf gives a month's own table, where it is filled apart */
export function partsOf(batch: Batch, tableOf: (month: string) => string | undefined): Iterable<Part> {
  const [parts, byDate] = [new Map<string, Part>(), new Map<string, Part>()];
  for (const date of batch.days.keys()) {
    const month = date.slice(0, 7);
    const apart = tableOf(month);
    const table = apart ?? "price_history";
    const empty = {
      ...{ table, month: apart && month, prices: new Map(), begins: date },
      ...{ size: 0, firstDate: date, lastDate: date },
    };
    const part = parts.get(table) ?? empty;
    if (date < part.firstDate) part.firstDate = date;
    if (date > part.lastDate) part.lastDate = date;
    parts.set(table, part);
    byDate.set(date, part);
  }
  for (const [symbol, lines] of batch.prices)
    for (const [date, line] of lines) {
      const part = byDate.get(date)!;
      const known = part.prices.get(symbol);
      if (known) known.push(line);
      else part.prices.set(symbol, [line]);
      part.size += 1;
    }
  return parts.values();
}

/** A part without its first stock, and without its first day: each after what it is without. */
export function* divided(part: Part): Generator<readonly [begun: Part, rest: Part]> {
  const [first, ...others] = part.prices;
  if (!first || others.length === 0) return;
  const of = (prices: Map<string, string[]>): Part => {
    let [size, firstDate, lastDate] = [0, part.lastDate, part.firstDate];
    for (const lines of prices.values())
      for (const line of lines) {
        const date = line.slice(0, 10);
        size += 1;
        if (date < firstDate) firstDate = date;
        if (date > lastDate) lastDate = date;
      }
    return { ...part, prices, size, firstDate, lastDate };
  };
  yield [of(new Map([first])), of(new Map(others))];

  const [ofDay, ofOthers] = [new Map<string, string[]>(), new Map<string, string[]>()];
  for (const [symbol, lines] of part.prices) {
    const on = lines.filter((line) => line.startsWith(part.begins));
    const off = on.length > 0 ? lines.filter((line) => !line.startsWith(part.begins)) : lines;
    if (on.length > 0) ofDay.set(symbol, on);
    if (off.length > 0) ofOthers.set(symbol, off);
  }
  if (ofOthers.size > 0) yield [of(ofDay), of(ofOthers)];
}
