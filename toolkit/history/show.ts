import { bytes, duration, percent } from "../monitor/texts.ts";

/** Numbers of the history as people read them. */

const shows: Record<string, (value: number) => string> = {
  bytes,
  seconds: duration,
  "%": percent,
};

/** A number in its unit: 1.5 GB, 12 sessions, 3.2 transactions/s. */
export function amount(value: number, unit: string): string {
  const [plain, rate] = unit.split("/");
  // A counter of seconds gives seconds of a second: no length of time.
  const show = rate && plain === "seconds" ? undefined : shows[plain!];
  if (show) {
    const text = show(Math.abs(value));
    return `${value < 0 && !text.startsWith("0 ") ? "-" : ""}${text}${rate ? `/${rate}` : ""}`;
  }
  return `${value.toLocaleString("en-US", { maximumFractionDigits: Math.abs(value) < 100 ? 2 : 0 }).replace(/^-0$/, "0")} ${unit}`;
}

const blocks = "▁▂▃▄▅▆▇█";

/** The course of numbers as a line of blocks, each the mean of its part. */
export function sparkline(values: readonly number[], width = 24): string {
  const parts = Math.min(width, values.length);
  const means = Array.from({ length: parts }, (_, part) => {
    const inside = values.slice(
      Math.floor((part * values.length) / parts),
      Math.floor(((part + 1) * values.length) / parts),
    );
    return inside.reduce((sum, value) => sum + value, 0) / inside.length;
  });
  const [least, most] = [Math.min(...means), Math.max(...means)];
  const height = (mean: number) => (most > least ? Math.round(((mean - least) / (most - least)) * 7) : 0);
  return means.map((mean) => blocks[height(mean)]).join("");
}

/** Cells as lines of a table, the first row its head. */
export function tableOf(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}

/** An ISO time to the minute, or to the day. */
export function when(iso: string, to: "minute" | "day" = "day"): string {
  return iso.slice(0, to === "day" ? 10 : 16).replace("T", " ");
}
