import { UserError } from "../errors.ts";
import { BadLine, ownText, quote } from "./fields.ts";

/** The order of day and month in dates such as 3/4/2000. */
export type DateOrder = "mdy" | "dmy";

const months = "january february march april may june july august september october november december".split(" ");
const [clock, sign] = ["(?:[T ,]+\\d{1,2}:\\d{2}.*)?", "[-./ ]"];
const yearFirst = new RegExp(`^(\\d{4})[-./](\\d{1,2})[-./](\\d{1,2})${clock}$`);
const compact = /^(\d{4})(\d{2})(\d{2})$/;
const monthFirst = new RegExp(`^([a-z]{3,9})\\.?${sign}?(\\d{1,2}),?${sign}(\\d{4})${clock}$`, "i");
const dayFirst = new RegExp(`^(\\d{1,2})${sign}?([a-z]{3,9})\\.?,?${sign}?(\\d{4})${clock}$`, "i");
const yearLast = new RegExp(`^(\\d{1,2})[-./](\\d{1,2})[-./](\\d{4})${clock}$`);

// The oldest series of daily share prices start in the early 1800s; an earlier year is a typing error.
const earliestYear = 1800;
const cacheSize = 50_000;

/** The two numbers of a date whose order of day and month is open, such as 3/4/2000; nothing for other forms. */
export function ambiguousParts(cell: string): [number, number] | undefined {
  const found = yearLast.exec(cell);
  return found ? [Number(found[1]), Number(found[2])] : undefined;
}

/**
 * Makes a reader of dates: 2000-01-31 (a time of day is dropped), 20000131, Jan 31 2000, 31-Jan-2000, and, in the
 * given order, 1/31/2000.
 * @param today the day after which a price cannot be yet; one day of grace covers time zones
 * @returns a function to ISO dates that throws BadLine for what is no date, before 1800 or in the future
 */
export function dateReader(order: DateOrder | undefined, today = new Date()): (cell: string) => string {
  const last = new Date(today.getTime() + 86_400_000).toISOString().slice(0, 10);
  const cache = new Map<string, string>();

  function read(cell: string): string {
    const iso = toIso(cell, order);
    if (cell === "") throw new BadLine("date is missing");
    if (!iso && !order && ambiguousParts(cell))
      throw new BadLine(`date ${cell} could be day/month or month/day: say --date-format mdy or dmy`);
    if (!iso) throw new BadLine(`date ${quote(cell)} is not a date`);
    if (Number(iso.slice(0, 4)) < earliestYear) throw new BadLine(`date ${iso} is before ${earliestYear}`);
    if (iso > last) throw new BadLine(`date ${iso} is in the future`);
    return iso;
  }

  return (cell) => {
    const known = cache.get(cell);
    if (known) return known;
    const iso = read(cell);
    if (cache.size >= cacheSize) cache.clear();
    cache.set(ownText(cell), iso);
    return iso;
  };
}

function toIso(cell: string, order: DateOrder | undefined): string | undefined {
  const ymd = yearFirst.exec(cell) ?? compact.exec(cell);
  if (ymd) return isoDate(Number(ymd[1]), Number(ymd[2]), Number(ymd[3]));
  const named = monthFirst.exec(cell);
  if (named) return isoDate(Number(named[3]), monthNumber(named[1]!), Number(named[2]));
  const dated = dayFirst.exec(cell);
  if (dated) return isoDate(Number(dated[3]), monthNumber(dated[2]!), Number(dated[1]));
  const last = yearLast.exec(cell);
  if (!last || !order) return undefined;
  const [month, day] = order === "mdy" ? [last[1], last[2]] : [last[2], last[1]];
  return isoDate(Number(last[3]), Number(month), Number(day));
}

function monthNumber(name: string): number {
  return months.findIndex((month) => month.startsWith(name.toLowerCase())) + 1;
}

function isoDate(year: number, month: number, day: number): string | undefined {
  const date = new Date(Date.UTC(year, month - 1, day));
  const real = month >= 1 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return real ? date.toISOString().slice(0, 10) : undefined;
}

/**
 * Finds out from a file's own dates whether the day or the month comes first: a number above 12 tells.
 * @returns nothing where the dates have another form, which the first real date tells
 * @throws UserError when every date could be read both ways
 */
export async function findDateOrder(cells: AsyncIterable<string>, file: string): Promise<DateOrder | undefined> {
  let example: string | undefined;
  for await (const cell of cells) {
    const parts = ambiguousParts(cell);
    if (!parts && toIso(cell, undefined)) return undefined;
    if (!parts) continue;
    example ??= cell;
    if (parts[0] > 12 && parts[1] <= 12) return "dmy";
    if (parts[1] > 12 && parts[0] <= 12) return "mdy";
  }
  if (!example) return undefined;
  throw new UserError(`${file}: ${example} could be day/month or month/day, and no date in the file tells which`, {
    fix: "Add --date-format mdy (month first) or --date-format dmy (day first).",
    exitCode: 2,
  });
}
