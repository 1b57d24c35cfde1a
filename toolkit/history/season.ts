import { median } from "../statistics.ts";
import { autocorrelation, theilSen, type Value } from "./theilSen.ts";

/** What a history comes down to before a line is laid through it. */
export interface Regular {
  /** The largest of each hour or day, without the swing. `t` in days. */
  values: Value[];
  /** Days between two of them. */
  step: number;
  /** How much the swing adds at a time. */
  swingAt(t: number): number;
  /** Numbers that were taken from the values to know the swing. */
  spent: number;
  /** "day" or "week" where there is a swing. */
  swing?: "day" | "week";
  /** There is a swing, but it was not seen often enough to be taken away. */
  unsettled: boolean;
}

// Below two weeks, hours, for a week's swing cannot be told from growth; from then on days, in which a day's is gone.
const daysFrom = 14;
// How often a swing has to be seen before its median tells it from noise.
const cycles = 3;
// The line is laid through what the swing leaves, and the swing is what the line leaves: it settles soon.
const rounds = 3;
// A swing shows one period later, and not in between; a wandering level fades evenly.
const [alike, unlike] = [0.3, 0.2];

/**
 * Takes the largest number of each hour or day: a resource runs out at its peak. A swing of a day or a week is taken
 * away, hour by hour or day by day, and kept apart.
 * @param points `t` in days, in their order; at least two
 */
export function regular(points: readonly Value[]): Regular {
  const span = points.at(-1)!.t - points[0]!.t;
  const step = span >= daysFrom ? 1 : 1 / 24;
  const period = step === 1 ? 7 : 24;
  // The hour or day at which it begins or ends is not whole: its largest number may be missing.
  const buckets = Map.groupBy(points, ({ t }) => Math.floor(t / step));
  const whole = [...buckets].slice(1, -1);
  const values = whole.map(([index, inside]) => ({
    t: (index + 0.5) * step,
    y: inside.reduce((largest, { y }) => Math.max(largest, y), Number.NEGATIVE_INFINITY),
  }));
  const plain = { values, step, swingAt: () => 0, spent: 0, unsettled: false };
  if (values.length <= period) return plain;
  const rest = (of: readonly Value[]) => {
    const line = theilSen(of);
    return new Map(values.map(({ t, y }) => [Math.floor(t / step), y - line.level - line.slope * t]));
  };
  const first = rest(values);
  const swings =
    autocorrelation(first, period) >= alike &&
    autocorrelation(first, period) >= autocorrelation(first, period >> 1) + unlike;
  if (!swings) return plain;
  const swing = step === 1 ? "week" : "day";
  if (values.length < cycles * period) return { ...plain, swing, unsettled: true };
  const phase = (index: number) => ((index % period) + period) % period;
  let level = values;
  let medians = new Map<number, number>();
  const swingAt = (t: number) => medians.get(phase(Math.floor(t / step))) ?? 0;
  for (let round = 0; round < rounds; round++) {
    const phases = Map.groupBy(rest(level), ([index]) => phase(index));
    medians = new Map([...phases].map(([at, those]) => [at, median(those.map(([, y]) => y))]));
    level = values.map(({ t, y }) => ({ t, y: y - swingAt(t) }));
  }
  return { values: level, step, swing, swingAt, spent: period, unsettled: false };
}
