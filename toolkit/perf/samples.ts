import { median } from "../statistics.ts";

// Makes the median absolute deviation of normal values their standard deviation.
const normal = 1.4826;

/**
 * How much repeated measurements differ, as a share of their median: the median absolute deviation, which a few
 * interruptions by something else do not move.
 * @see https://www.itl.nist.gov/div898/handbook/eda/section3/eda356.htm
 */
export function spread(values: readonly number[]): number {
  const middle = median(values);
  return (normal * median(values.map((value) => Math.abs(value - middle)))) / middle;
}

/** Milliseconds that some work takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

export const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits));
