import { style } from "../terminal.ts";
import type { Outcome, Verdict } from "./expectations.ts";
import type { Values } from "./parameters.ts";
import type { Page, Step } from "./parse.ts";
import { tableLines } from "./table.ts";

const indent = "      ";

/** What is said before a run begins. */
export function pageLines(page: Page, values: Values, dryRun: boolean): string[] {
  const set = Object.entries(values).map(([name, value]) => `${name}=${value || "''"}`);
  return [
    style("bold", page.title) + (dryRun ? " (dry run: nothing is changed)" : ""),
    `  ${plain(page.symptom)}`,
    `  needs: ${plain(page.needs)}`,
    ...(set.length > 0 ? [`  with ${set.join(", ")}`] : []),
  ];
}

/** What is said of a step before it runs: why, what, and its risk. */
export function stepLines(step: Step, steps: number): string[] {
  const kind = step.changes ? style("yellow", "changes") : "reads";
  return [
    "",
    `${style("bold", `${step.number}/${steps} ${step.title}`)}  [${kind}]`,
    `${indent}${plain(step.why)}`,
    ...step.text.split("\n").map((line) => style("dim", `${indent}| ${line}`)),
    ...(step.changes ? [`${indent}risk: ${plain(step.risk)}`] : []),
  ];
}

/** What a step found, in columns. What a command prints is shown while it prints it. */
export function outcomeLines(outcome: Outcome): string[] {
  return tableLines(outcome).map((line) => indent + line);
}

/** Each expectation with what was found. */
export function verdictLines(verdicts: readonly Verdict[]): string[] {
  return verdicts.map(({ expectation, met, found }) =>
    met
      ? `${indent}${style("green", "ok")}: ${expectation} (${found})`
      : `${indent}${style("red", "not as expected")}: ${expectation} (${found})`,
  );
}

/** A line that belongs to a step. */
export function inStep(line: string): string {
  return line
    .split("\n")
    .map((part) => indent + part)
    .join("\n");
}

/** Markdown's marks taken away; a link to another page becomes the command that runs it. */
export function plain(text: string): string {
  return text
    .replace(
      /\[([^\]]+)\]\(([\w-]+)\.md\)/g,
      (_, words: string, name: string) => `${words} (npm run runbook -- ${name})`,
    )
    .replace(/\[([^\]]+)\]\([^)]+\)/g, "$1")
    .replace(/[`*]/g, "");
}
