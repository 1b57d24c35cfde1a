import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, UserError } from "../errors.ts";
import { bytes, things } from "../monitor/texts.ts";
import { tableLines } from "../runbook/table.ts";
import type { Result, Step } from "./step.ts";

/** A step, and what became of it. */
export interface Reported extends Omit<Step, "run"> {
  task: string;
  result: Result;
  note?: string;
  /** How long it took, all in all. */
  seconds: number;
}

/** What a run did, or would do. Plain data: JSON takes it as it is. */
export interface Report {
  version: 1;
  /** ISO times in UTC. */
  startedAt: string;
  finishedAt: string;
  database: string;
  dryRun: boolean;
  budgetSeconds: number;
  /** Whether it was ended from outside before it was through. */
  interrupted: boolean;
  /** In the order in which they were done. */
  steps: Reported[];
}

/** The steps as a table for people, in order. */
export function reportLines({ steps, dryRun }: Report): string[] {
  if (steps.length === 0) return [];
  const rows = steps.map(({ task, object, why, does, costBytes, result, note, seconds }, index) => ({
    "": index + 1,
    ...{ task, object },
    ...(dryRun
      ? { reads: costBytes === null ? "?" : bytes(costBytes), why: [why, note].filter(Boolean).join(", "), does }
      : { result, seconds, why: note ? `${why} (${note})` : why }),
  }));
  return tableLines({ columns: Object.keys(rows[0]!), rows }, rows.length);
}

/** What came of it, in a line. */
export function summaryLine({ steps, dryRun, interrupted }: Report): string {
  const failed = steps.filter(({ result }) => result === "failed").length;
  if (steps.length === 0) return interrupted ? "interrupted before anything was found" : "nothing needs maintenance";
  if (dryRun) return `${things(steps.length - failed, "step")} would be done${failed > 0 ? `, ${failed} failed` : ""}`;
  const amounts = new Map<string, number>();
  for (const { result } of steps) amounts.set(result, (amounts.get(result) ?? 0) + 1);
  return [...amounts].map(([result, amount]) => `${amount} ${result}`).join(", ");
}

/**
 * Writes a report where people look for it.
 * @returns the path
 * @throws UserError when it cannot be written
 */
export async function saveReport(
  folder: string,
  kind: string,
  { startedAt }: { startedAt: string },
  report: object,
): Promise<string> {
  const path = join(folder, `${kind}_${startedAt.replace(/[-:]|\.\d+/g, "")}.json`);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(path, `${JSON.stringify(report, null, 2)}\n`);
  } catch (error) {
    throw new UserError(`the report cannot be saved as ${path}`, {
      why: `${messageOf(error)}.`,
      fix: "Name another folder with --reports.",
    });
  }
  return path;
}
