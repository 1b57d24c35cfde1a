/** The median: of an even number of values, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

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

/** The p-th percentile by nearest rank: a value that was really measured. */
export function percentile(values: readonly number[], p: number): number {
  return values.toSorted((a, b) => a - b)[Math.max(Math.ceil((p / 100) * values.length) - 1, 0)]!;
}
