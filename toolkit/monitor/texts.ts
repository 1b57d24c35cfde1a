import { withoutLiterals } from "../pool/statementText.ts";
import { count } from "../terminal.ts";

/** Figures as people read them. */

const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
const longestStatement = 500;

/** Bytes, in the unit that PostgreSQL's pg_size_pretty would take. */
export function bytes(value: number): string {
  let [size, unit] = [value, 0];
  while (Math.abs(size) >= 1024 && unit < units.length - 1) [size, unit] = [size / 1024, unit + 1];
  return `${unit === 0 || size >= 100 ? count(size) : size.toFixed(1).replace(/\.0$/, "")} ${units[unit]}`;
}

/** Seconds, in their two largest units: 3 d 4 h, 5 min 2 s. */
export function duration(seconds: number): string {
  const whole = Math.round(Math.abs(seconds));
  const parts = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ] as const;
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first < 0) return "0 s";
  const shown = parts.slice(first, first + 2).filter(([amount]) => amount > 0);
  return shown.map(([amount, unit]) => `${amount} ${unit}`).join(" ");
}

/** A share in percent, with one digit behind the point. */
export function percent(value: number): string {
  return `${value.toFixed(1).replace(/\.0$/, "")} %`;
}

/** A number of things: 1 row, 2 rows. */
export function things(amount: number, one: string, many = `${one}s`): string {
  return `${count(amount)} ${amount === 1 ? one : many}`;
}

/** `part` of `whole` in percent; 0 of nothing. */
export function share(part: number, whole: number): number {
  return whole > 0 ? (100 * part) / whole : 0;
}

/** A statement on one line, without its literals: they may be secret, and answers are kept and sent on. */
export function statement(text: string | null): string {
  const line = withoutLiterals(text ?? "")
    .replace(/\s+/g, " ")
    .trim();
  return line.length > longestStatement ? `${line.slice(0, longestStatement - 1)}…` : line;
}
