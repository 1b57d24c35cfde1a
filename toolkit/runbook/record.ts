import { randomUUID } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import type { Connection } from "../connection.ts";
import type { Verdict } from "./expectations.ts";
import type { Values } from "./parameters.ts";
import type { Page, Step } from "./parse.ts";
import { cellText, tableLines } from "./table.ts";

/** How a run ended, and the exit code that goes with it. */
export const exitCodes = { running: 1, done: 0, "dry run": 0, stopped: 1, declined: 1, refused: 2, interrupted: 130 };
export type RunResult = keyof typeof exitCodes;

/** What became of one step. */
export interface StepRecord {
  number: number;
  title: string;
  language: Step["language"];
  changes: boolean;
  /** What was run, as the page has it; the values of its parameters are those of the run. */
  text: string;
  result: "running" | "done" | "failed" | "declined" | "refused" | "shown";
  startedAt: string;
  finishedAt: string | null;
  checks: Verdict[];
  columns: string[];
  rows: Record<string, unknown>[];
  output: string;
  error: string | null;
  /** Where to go next, after a failure. */
  next: string | null;
}

/** What a run leaves. Times are UTC, ISO 8601. */
export interface RunRecord {
  id: string;
  runbook: string;
  title: string;
  parameters: Values;
  dryRun: boolean;
  /** Without the password; "none" where the page needs none. */
  database: string;
  by: string;
  startedAt: string;
  finishedAt: string | null;
  result: RunResult;
  steps: StepRecord[];
}

// A record is for people to read afterwards, not a copy of the data.
const keptRows = 200;
const keptOutput = 100_000;
// Shown on the screen and not kept: the text of somebody's query may hold a secret.
const notKept = new Set(["query"]);

export function newRecord(page: Page, values: Values, dryRun: boolean, connection: Connection): RunRecord {
  const { host, port, database, user } = connection;
  return {
    id: randomUUID(),
    runbook: page.name,
    title: page.title,
    parameters: values,
    dryRun,
    database: host ? `${host}:${port}/${database} as ${user}` : "none",
    by: `${userInfo().username}@${hostname()}`,
    startedAt: new Date().toISOString(),
    finishedAt: null,
    result: "running",
    steps: [],
  };
}

/** A step that begins. */
export function newStep({ number, title, language, changes, text }: Step): StepRecord {
  return {
    ...{ number, title, language, changes, text },
    result: "running",
    startedAt: new Date().toISOString(),
    finishedAt: null,
    ...{ checks: [], columns: [], rows: [], output: "", error: null, next: null },
  };
}

/** The rows that a record keeps, in types that JSON has. */
export function rowsToKeep(rows: readonly Record<string, unknown>[]): Record<string, unknown>[] {
  return rows
    .slice(0, keptRows)
    .map((row) =>
      Object.fromEntries(Object.entries(row).map(([name, value]) => [name, notKept.has(name) ? "(not kept)" : value])),
    );
}

/** The output that a record keeps: its end, where it is long. */
export function outputToKeep(text: string): string {
  return text.slice(-keptOutput);
}

/**
 * Writes the record as JSON and as Markdown, under one name each, whole or not at all.
 * @param folder made where it is missing
 * @returns the path of the Markdown
 */
export async function writeRecord(folder: string, record: RunRecord): Promise<string> {
  await mkdir(folder, { recursive: true });
  const time = record.startedAt.replace(/[-:]|\.\d+/g, "");
  const path = join(folder, `${time}-${record.runbook}-${record.id.slice(0, 4)}`);
  await replace(`${path}.json`, `${JSON.stringify(record, null, 2)}\n`);
  await replace(`${path}.md`, markdown(record));
  return `${path}.md`;
}

async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.partial`, text, { mode: 0o600 });
  await rename(`${path}.partial`, path);
}

function markdown(record: RunRecord): string {
  const parameters = Object.entries(record.parameters).map(([name, value]) => `- \`${name}\` = \`${value}\``);
  return [
    `# ${record.title}: ${record.result}`,
    "",
    `- runbook: ${record.runbook}`,
    `- database: ${record.database}`,
    `- by: ${record.by}`,
    `- from ${record.startedAt} to ${record.finishedAt ?? "(not finished)"}`,
    ...parameters,
    ...record.steps.flatMap(stepMarkdown),
    "",
  ].join("\n");
}

function stepMarkdown(step: StepRecord): string[] {
  const found = [...tableLines(step, keptRows), ...step.output.trimEnd().split("\n").filter(Boolean)];
  return [
    "",
    `## ${step.number}. ${step.title}: ${step.result}`,
    "",
    `${step.startedAt} to ${step.finishedAt ?? "(not finished)"}${step.changes ? ", changes" : ""}`,
    ...["", `\`\`\`${step.language}`, step.text, "```"],
    ...(found.length > 0 ? ["", "```text", ...found, "```"] : []),
    "",
    ...step.checks.map(
      ({ expectation, met, found }) => `- ${met ? "met" : "**not met**"}: \`${expectation}\` (${found})`,
    ),
    ...(step.error ? [`- error: ${cellText(step.error)}`] : []),
    ...(step.next ? [`- next: ${step.next}`] : []),
  ];
}
