import type { Sample } from "./table.ts";

/**
 * How many tables, sequences or databases have samples of their own: thousands of series for each scrape are a burden to
 * Prometheus, and nobody looks at them. Those that matter most come first, and are kept.
 */
export const most = 50;

/** A sample without labels; none where there is no figure. */
export function one(value: number | boolean | null | undefined): Sample[] {
  return value === null || value === undefined ? [] : [{ value: Number(value) }];
}

/** The highest of some figures; 0 when there is none. */
export function highest(values: (number | null)[]): Sample[] {
  return [{ value: Math.max(0, ...values.map((value) => value ?? 0)) }];
}

/** A sample for each row, but for no more than `most`. */
export function each<Row>(rows: Row[], label: string, name: (row: Row) => string, value: (row: Row) => number | null) {
  const found = rows.slice(0, most).flatMap((row): Sample[] => {
    const figure = value(row);
    return figure === null ? [] : [{ value: figure, labels: { [label]: name(row) } }];
  });
  // Two rows of one name are one series, and a scrape with a series twice is refused as a whole.
  return [...new Map(found.map((sample) => [sample.labels![label], sample])).values()];
}
