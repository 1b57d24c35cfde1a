import { regular } from "./season.ts";
import { autocorrelation, type Line, theilSen, type Value, z95 } from "./theilSen.ts";

/** What becomes of a number that has a limit. Times in days from the last one on. */
export interface Outlook {
  /**
   * `growing`: it reaches the limit, between two days. `steady`: it need not. `distant`: not within five times the
   * history. The others cannot be told.
   */
  state: "growing" | "steady" | "distant" | "too little history" | "seasonal" | "reached";
  /** By how much it grows in a day, with the interval of 95 %; null where that cannot be told. */
  perDay: number | null;
  perDayLow: number | null;
  perDayHigh: number | null;
  /** When it reaches the limit; null where it does not, or not within the horizon. */
  days: number | null;
  earliestDays: number | null;
  latestDays: number | null;
  /** What it was looked at, in days. */
  historyDays: number;
  /** A swing that was taken into account: it reaches the limit at the peak of the day or the week. */
  swing: "day" | "week" | null;
}

// A day is the shortest that has all hours; a second one tells growth from its swing.
const leastDays = 2;
const leastValues = 12;
// Who has seen a week can tell of the next month, and not of the next year.
const horizons = 5;

/**
 * Forecasts when a number reaches its limit.
 * @param points `t` in days, in their order
 * @param limit the value that may not be reached; undefined where it is not known: then only the growth is told
 */
export function outlook(points: readonly Value[], limit?: number): Outlook {
  const [first, last] = [points[0], points.at(-1)];
  const historyDays = first && last ? last.t - first.t : 0;
  const unknown = {
    ...{ perDay: null, perDayLow: null, perDayHigh: null, days: null, earliestDays: null, latestDays: null },
    ...{ historyDays, swing: null },
  };
  if (last && limit !== undefined && last.y >= limit)
    return { ...unknown, state: "reached", days: 0, earliestDays: 0, latestDays: 0 };
  if (!last || historyDays < leastDays) return { ...unknown, state: "too little history" };
  const { values, step, spent, swing, swingAt, unsettled } = regular(points);
  if (values.length < leastValues) return { ...unknown, state: "too little history" };
  if (unsettled) return { ...unknown, state: "seasonal", swing: swing ?? null };
  const { line, level, noise } = fit(values, { step, spent, end: last.t });
  const growth = {
    ...{ historyDays, swing: swing ?? null, perDay: line.slope, perDayLow: line.low, perDayHigh: line.high },
  };
  const none = { days: null, earliestDays: null, latestDays: null };
  if (limit === undefined) return { ...growth, ...none, state: line.low > 0 ? "growing" : "steady" };
  // Hour by hour, or day by day, as the swing goes; the limit is reached somewhere between its beginning and its end.
  const reaches = (reach: (days: number) => number, part: 0 | 0.5 | 1) => {
    const next = Math.floor(last.t / step) + 1;
    for (let index = next; (index - next) * step <= horizons * historyDays; index++) {
      const days = (index + 0.5) * step - last.t;
      if (level + reach(days) + swingAt((index + 0.5) * step) >= limit) return (index + part) * step - last.t;
    }
    return null;
  };
  const early = (days: number) => line.slope * days + Math.hypot((line.high - line.slope) * days, noise(days).above);
  const late = (days: number) => line.slope * days - Math.hypot((line.slope - line.low) * days, noise(days).below);
  const earliestDays = reaches(early, 0);
  if (line.low <= 0) return { ...growth, ...none, state: "steady", earliestDays };
  if (earliestDays === null) return { ...growth, ...none, state: "distant" };
  return {
    ...{ ...growth, state: "growing", earliestDays },
    ...{ days: reaches((days) => line.slope * days, 0.5), latestDays: reaches(late, 1) },
  };
}

interface Fit {
  line: Line;
  /** At the end of the history. */
  level: number;
  /** How far values so many days later lie from the line, at most. */
  noise(days: number): { above: number; below: number };
}

// In deviations, so that 2.5 % lie beyond: the largest of a day's 24 hours, which is what counts, and a path that wanders,
// which has been farther up before it is where it is.
const [largestOf24, largestOnPath] = [3.07, 2.24];

/**
 * A level that wanders (each value is the one before, and a step) has no line to come back to: its growth is as uncertain
 * as its steps. Where the test of Dickey and Fuller does not refute that, the interval is that of the steps; otherwise
 * that of Sen, wider by how much neighbours resemble each other.
 * @see https://doi.org/10.1080/01621459.1979.10482531
 */
function fit(values: readonly Value[], { step, spent, end }: { step: number; spent: number; end: number }): Fit {
  const n = values.length;
  const plain = theilSen(values);
  const rest = values.map(({ t, y }) => y - plain.level - plain.slope * t);
  const indexed = new Map(values.map(({ t }, index) => [Math.floor(t / step), rest[index]!]));
  const resemblance = autocorrelation(indexed, 1);
  // What was taken to know the swing makes the rest look smaller than it is.
  const share = n / (n - spent);
  if (n * (resemblance - 1) <= criticalDickeyFuller(n)) {
    const bounded = Math.max(0, resemblance);
    const line = theilSen(values, ((1 + bounded) / (1 - bounded)) * share);
    const deviation = Math.sqrt((sumOfSquares(rest) / (n - 2)) * share);
    const above = (step < 1 ? largestOf24 : z95) * deviation;
    return { line, level: line.level + line.slope * end, noise: () => ({ above, below: z95 * deviation }) };
  }
  // Steps over a gap count for its length.
  const steps = values.slice(1).map(({ t, y }, index) => {
    const [days, before] = [t - values[index]!.t, values[index]!.y];
    return (y - before - plain.slope * days) / Math.sqrt(days);
  });
  const perRootDay = Math.sqrt((sumOfSquares(steps) / (steps.length - 1)) * share);
  const span = values.at(-1)!.t - values[0]!.t;
  const reach = studentT(steps.length - 1) * perRootDay * Math.sqrt(varianceOnPath / span);
  return {
    line: { ...plain, low: plain.slope - reach, high: plain.slope + reach },
    level: values.at(-1)!.y + plain.slope * (end - values.at(-1)!.t),
    noise: (days) => ({
      above: largestOnPath * perRootDay * Math.sqrt(days),
      below: z95 * perRootDay * Math.sqrt(days),
    }),
  };
}

const sumOfSquares = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number * number, 0);

// Of a line through a path that wanders, in variances of the slope between its ends: six fifths for least squares, and by
// trial a little more for the line of Theil and Sen.
const varianceOnPath = 1.4;

/** Of n(ρ - 1) at 5 % with a trend, by the table of Fuller (1976), within a tenth from 25 values on. */
const criticalDickeyFuller = (n: number) => -21.8 + 98 / n;

/** Of 95 %, two-sided, by the first terms of its expansion in 1/ν. */
function studentT(freedom: number): number {
  return z95 + (z95 ** 3 + z95) / (4 * freedom) + (5 * z95 ** 5 + 16 * z95 ** 3 + 3 * z95) / (96 * freedom ** 2);
}
