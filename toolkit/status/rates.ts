import { checkpoints } from "../monitor/checkpoints.ts";
import type { Snapshot } from "../monitor/snapshot.ts";
import { share } from "../monitor/texts.ts";
import { rowsOf } from "./sampler.ts";
import { traffic } from "./traffic.ts";

/** What happened between two snapshots, per second. */
export interface Rates {
  /** The time between the two. */
  seconds: number;
  /** Commits and rollbacks. */
  transactionsPerSecond: number;
  rollbacksPerSecond: number;
  rowsReadPerSecond: number;
  rowsWrittenPerSecond: number;
  temporaryBytesPerSecond: number;
  /** Null where WAL's counters could not be read. */
  walBytesPerSecond: number | null;
  /** Of the pages that were asked for in that time; null when none was. */
  hitPercent: number | null;
}

/** Compares two snapshots of a database; undefined when they are no two, or counters were reset between them. */
export function ratesBetween(before: Snapshot, after: Snapshot): Rates | undefined {
  const seconds = (Date.parse(after.takenAt) - Date.parse(before.takenAt)) / 1000;
  const [[old], [now]] = [rowsOf(before, traffic), rowsOf(after, traffic)];
  if (!(seconds > 0) || !old || !now) return undefined;
  const gone = (figure: Exclude<keyof typeof now, "sizeBytes">) => now[figure] - old[figure];
  const [commits, rollbacks, hit, read] = [gone("commits"), gone("rollbacks"), gone("pagesHit"), gone("pagesRead")];
  if (Math.min(commits, rollbacks, hit, read) < 0 || before.server.startedAt !== after.server.startedAt)
    return undefined;
  const wal = [before, after].map((taken) => rowsOf(taken, checkpoints)[0]?.walBytes);
  return {
    seconds,
    transactionsPerSecond: (commits + rollbacks) / seconds,
    rollbacksPerSecond: rollbacks / seconds,
    rowsReadPerSecond: gone("rowsFetched") / seconds,
    rowsWrittenPerSecond: (gone("inserted") + gone("updated") + gone("deleted")) / seconds,
    temporaryBytesPerSecond: gone("temporaryBytes") / seconds,
    walBytesPerSecond:
      wal[0] === undefined || wal[1] === undefined || wal[1] < wal[0] ? null : (wal[1] - wal[0]) / seconds,
    hitPercent: hit + read > 0 ? share(hit, hit + read) : null,
  };
}
