import { median } from "../statistics.ts";
/** Numbers in the order of `t`. */
export interface Value {
  t: number;
  y: number;
}

/** A straight line through numbers. */
export interface Line {
  slope: number;
  /** The interval of the slope. */
  low: number;
  high: number;
  /** At t = 0. */
  level: number;
}

/** Of 95 %, two-sided, in standard deviations. */
export const z95 = 1.96;

/**
 * The line of Theil and Sen: its slope is the median of the slopes between any two values, which a quarter of wild ones
 * does not move. Its interval is Sen's, from the variance of Kendall's S.
 * @param dependence by how much the variance is larger because neighbours resemble each other; 1 for none
 * @see https://doi.org/10.1080/01621459.1968.10480934
 */
export function theilSen(values: readonly Value[], dependence = 1): Line {
  const slopes: number[] = [];
  for (let second = 1; second < values.length; second++)
    for (let first = 0; first < second; first++)
      slopes.push((values[second]!.y - values[first]!.y) / (values[second]!.t - values[first]!.t));
  const sorted = Float64Array.from(slopes).sort();
  const slope = sorted.length % 2 ? sorted[sorted.length >> 1]! : mean(sorted, sorted.length >> 1);
  const reach = z95 * Math.sqrt(kendallVariance(values) * dependence);
  const at = (index: number) => sorted[Math.min(Math.max(Math.round(index), 0), sorted.length - 1)]!;
  return {
    slope,
    low: at((sorted.length - reach) / 2),
    high: at((sorted.length + reach) / 2),
    level: median(values.map(({ t, y }) => y - slope * t)),
  };
}

const mean = (sorted: Float64Array, index: number) => (sorted[index - 1]! + sorted[index]!) / 2;

/** Of S under no trend, with ties. */
function kendallVariance(values: readonly Value[]): number {
  const term = (n: number) => n * (n - 1) * (2 * n + 5);
  const ties = Map.groupBy(values, ({ y }) => y);
  let tied = 0;
  for (const group of ties.values()) tied += term(group.length);
  return (term(values.length) - tied) / 18;
}

/** How much numbers resemble those `lag` steps before, from -1 to 1; missing ones count for nothing. */
export function autocorrelation(values: ReadonlyMap<number, number>, lag: number): number {
  let [product, square] = [0, 0];
  for (const [index, value] of values) {
    square += value * value;
    product += value * (values.get(index - lag) ?? 0);
  }
  return square > 0 ? product / square : 0;
}
