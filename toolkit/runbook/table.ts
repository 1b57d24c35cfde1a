import type { Outcome } from "./expectations.ts";

// What fits on a screen; the record keeps more.
const shownRows = 20;
const widest = 48;

/** The rows of a result as lines of text, in columns. */
export function tableLines({ columns, rows }: Pick<Outcome, "columns" | "rows">, limit: number = shownRows): string[] {
  if (columns.length === 0) return [];
  const shown = rows.slice(0, limit).map((row) => columns.map((column) => cellText(row[column])));
  const widths = columns.map((column, index) =>
    Math.min(Math.max(column.length, ...shown.map((cells) => cells[index]!.length)), widest),
  );
  // The last column is not cut: there is the statement, or the reason.
  const line = (cells: string[]) =>
    cells
      .map((cell, index) =>
        index === cells.length - 1 ? cell : shortened(cell, widths[index]!).padEnd(widths[index]!),
      )
      .join("  ")
      .trimEnd();
  const left = rows.length - shown.length;
  const end = rows.length === 0 ? "(no rows)" : left > 0 ? `(and ${left} more)` : undefined;
  return [line(columns), ...shown.map(line), ...(end ? [end] : [])];
}

/** A value as PostgreSQL's users know it; null is empty. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (value instanceof Date)
    return value
      .toISOString()
      .replace("T", " ")
      .replace(/\.\d+Z$/, " UTC");
  if (Array.isArray(value)) return `{${value.map(cellText).join(",")}}`;
  if (typeof value === "object") return JSON.stringify(value);
  return String(value).replace(/\s+/g, " ");
}

function shortened(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
