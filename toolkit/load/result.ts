import { count, style } from "../terminal.ts";
import type { Progress } from "./journal.ts";

/** What a load did, over all its runs where it was interrupted. */
export interface LoadResult {
  file: string;
  /** Lines that held data, the rejected ones included. */
  lines: number;
  inserted: number;
  updated: number;
  unchanged: number;
  /** Prices that a later line of the same batch replaced: where a file has a day twice, the later line counts. */
  repeated: number;
  rejected: number;
  rejectsFile: string | null;
  symbols: string[];
  firstDate: string | null;
  lastDate: string | null;
  /** The line after which this run went on; 0 when it began at the start. */
  resumedAfterLine: number;
  /** The file had been loaded before, and its prices are still there: nothing was done. */
  alreadyLoaded: boolean;
  /** The first lines that this run rejected, and why: {@link shownRejects} at most. */
  firstRejects: { line: number; reason: string }[];
}

export const shownRejects = 10;

/** The result of a load as its journal has it, with what is of this run only. */
export function resultOf(
  progress: Progress,
  run: Pick<LoadResult, "file" | "rejectsFile"> &
    Partial<Pick<LoadResult, "resumedAfterLine" | "alreadyLoaded" | "firstRejects">>,
): LoadResult {
  const { lines, inserted, updated, unchanged, repeated, rejected, symbols, firstDate, lastDate } = progress;
  return {
    file: run.file,
    ...{ lines, inserted, updated, unchanged, repeated, rejected },
    rejectsFile: rejected > 0 ? run.rejectsFile : null,
    ...{ symbols, firstDate, lastDate },
    resumedAfterLine: run.resumedAfterLine ?? 0,
    alreadyLoaded: run.alreadyLoaded ?? false,
    firstRejects: run.firstRejects ?? [],
  };
}

/** A result as lines for people. */
export function describe(result: LoadResult): string[] {
  const { file, inserted, updated, unchanged, repeated, rejected, symbols, firstDate, lastDate } = result;
  const loaded = inserted + updated + unchanged;
  const what = symbols.length === 1 ? symbols[0] : `${count(symbols.length)} symbols`;
  const range = firstDate ? ` of ${what}, ${firstDate} to ${lastDate}` : "";
  const counts = `${count(inserted)} new, ${count(updated)} corrected, ${count(unchanged)} unchanged`;
  const lines = [
    result.alreadyLoaded
      ? `${file}: already loaded, nothing to do (--force loads it again): ${plural(loaded, "price")}${range}`
      : `${file}: ${plural(loaded, "price")} loaded${range} (${counts})`,
  ];
  if (repeated === 1) lines.push("  1 price stands twice in the file: the later line counts");
  if (repeated > 1) lines.push(`  ${count(repeated)} prices stand twice in the file: the later line counts`);
  if (rejected === 0) return lines;
  const { firstRejects, rejectsFile } = result;
  for (const { line, reason } of firstRejects) lines.push(`  line ${line}: ${reason}`);
  const others = rejected - firstRejects.length;
  if (others > 0 && firstRejects.length > 0) lines.push(`  … and ${count(others)} more`);
  const them = rejected === 1 ? "it" : "them";
  const kept = `  ${plural(rejected, "line")} rejected, kept in ${rejectsFile}: correct ${them} there and load that file`;
  lines.push(style("yellow", kept));
  return lines;
}

function plural(amount: number, noun: string): string {
  return `${count(amount)} ${noun}${amount === 1 ? "" : "s"}`;
}
