import { tableLines } from "../runbook/table.ts";
import type { Row } from "./check.ts";
import type { PerformanceResult } from "./run.ts";

/** The result as lines for people: a table for each check. */
export function resultLines({ checks }: PerformanceResult): string[] {
  return checks.flatMap(({ name, title, verdict, rows }) => [
    `${title}  (${name}: ${verdict})`,
    ...(rows.length > 0 ? tableOf(rows) : ["nothing to judge here"]).map((line) => `  ${line}`),
    "",
  ]);
}

function tableOf(rows: readonly Row[]): string[] {
  // The single measurements are for the next run to compare with, not to be read.
  const figures = [...new Set(rows.flatMap((row) => Object.keys(row.figures)))].filter(
    (name) => !rows.some((row) => Array.isArray(row.figures[name])),
  );
  const said = rows.some((row) => row.said) ? ["said"] : [];
  return tableLines(
    {
      columns: ["verdict", "subject", ...figures, ...said],
      rows: rows.map((row) => ({ verdict: row.verdict, subject: row.subject, ...row.figures, said: row.said })),
    },
    rows.length,
  );
}
