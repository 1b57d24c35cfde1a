import type { Queryable } from "../queryable.ts";
import { metrics } from "./metrics.ts";
import { increases, type Point, readSeries } from "./read.ts";
import { theilSen } from "./theilSen.ts";
import { day } from "./times.ts";

/** How a number went. Of a counter, all but `points` are what it counted in a second. */
export interface Trend {
  metric: string;
  object: string;
  label: string | null;
  /** With "/s" for a counter. */
  unit: string;
  first: number;
  last: number;
  least: number;
  most: number;
  /** The slope of Theil and Sen; null below three points. */
  perDay: number | null;
  points: Point[];
}

// The slope of more is that of their thirds and tenths.
const mostPoints = 300;

/**
 * Reads how numbers went. What was recorded but once is left out.
 * @param asked names of metrics; none for all that are about the whole server or a database
 * @throws UserError where nothing was ever recorded
 */
export async function readTrends(
  client: Queryable,
  asked: { metrics: readonly string[]; object?: string | undefined; since: number },
): Promise<Trend[]> {
  const chosen = asked.metrics.length > 0 ? asked.metrics : Object.keys(metrics).filter((name) => !metrics[name]!.many);
  const series = await readSeries(client, { ...asked, metrics: chosen });
  const trends = series.flatMap(({ metric, object, label, counter, points }): Trend[] => {
    const shown = counter ? rates(points) : points;
    if (shown.length < (counter ? 1 : 2)) return [];
    const { unit } = metrics[metric]!;
    return [
      {
        ...{ metric, object, label, unit: counter ? `${unit}/s` : unit, points: shown },
        ...{ first: shown[0]!.value, last: shown.at(-1)!.value, perDay: slopeOf(shown) },
        least: shown.reduce((least, { value }) => Math.min(least, value), Number.POSITIVE_INFINITY),
        most: shown.reduce((most, point) => Math.max(most, point.most), Number.NEGATIVE_INFINITY),
      },
    ];
  });
  return trends.toSorted((one, other) => chosen.indexOf(one.metric) - chosen.indexOf(other.metric));
}

function rates(points: readonly Point[]): Point[] {
  return increases(points).map(({ from, to, amount }) => {
    const value = (amount * 1000) / (to - from);
    return { at: to, value, most: value };
  });
}

function slopeOf(points: readonly Point[]): number | null {
  if (points.length < 3) return null;
  const every = Math.ceil(points.length / mostPoints);
  const thinned = points.filter((_, index) => index % every === 0 || index === points.length - 1);
  return theilSen(thinned.map(({ at, value }) => ({ t: at / day, y: value }))).slope;
}
