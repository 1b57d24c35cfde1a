import { count } from "../../terminal.ts";
import type { QueryPlan } from "../queryPlans.ts";
import { percent, things } from "../texts.ts";
import { type PlanNode, stepsOf } from "./steps.ts";

/** What is shown of each step of a plan. */
export interface StepCells {
  depth: number;
  name: string;
  rows: string;
  expected: string;
  removed: string;
  milliseconds: string;
  /** Of the statement's time, from 0 to 100; null where times were not measured. */
  timePercent: number | null;
  conditions: string;
  slowest: boolean;
}

/** The steps of a plan as people read them, from the top down. */
export function stepCells({ plan }: QueryPlan): StepCells[] {
  const steps = stepsOf(plan);
  const longest = Math.max(...steps.map(({ node }) => node.ownMilliseconds ?? 0));
  return steps.map(({ node, depth }) => ({
    ...{ depth, name: nameOf(node), timePercent: node.timePercent, conditions: node.conditions.join("; ") },
    rows: node.rows === null ? "" : count(node.rows),
    expected: count(node.expectedRows),
    removed: node.removedRows > 0 ? count(node.removedRows) : "",
    milliseconds: node.ownMilliseconds === null ? "" : node.ownMilliseconds.toFixed(1),
    slowest: longest > 0 && node.ownMilliseconds === longest,
  }));
}

/** What a step is called, and on how many partitions it is done. */
export function nameOf({ name, alike }: PlanNode): string {
  return alike > 1 ? `${name} (and ${things(alike - 1, "other")})` : name;
}

const headers = ["step", "rows", "expected", "removed", "own ms", "time", "condition"];
const widest = 90;

/** Plans as trees, the slowest step marked, as lines for a terminal. */
export function planLines(rows: readonly QueryPlan[]): string[] {
  return rows.flatMap((row) => {
    const cells = stepCells(row).map((step) => [
      `${"  ".repeat(step.depth)}${step.depth > 0 ? "└ " : ""}${step.name}${step.slowest ? " *" : ""}`,
      ...[step.rows, step.expected, step.removed, step.milliseconds],
      ...[step.timePercent === null ? "" : percent(step.timePercent), step.conditions],
    ]);
    return [
      `statement ${row.queryId}, ${row.milliseconds.toFixed(1)} ms${row.at ? ` at ${row.at}` : ""}: ${row.query}`,
      ...aligned([headers, ...cells]).map((line) => `  ${line}`),
      ...(row.slowest === null ? [] : [`  * took the most time: ${row.slowest}`]),
      "",
    ];
  });
}

function aligned(rows: string[][]): string[] {
  const widths = rows[0]!.map((_, n) => Math.min(widest, Math.max(...rows.map((cells) => cells[n]!.length))));
  return rows.map((cells) =>
    cells
      .map((text, n) => (n === 0 || n === cells.length - 1 ? text.padEnd(widths[n]!) : text.padStart(widths[n]!)))
      .join("  ")
      .trimEnd(),
  );
}
