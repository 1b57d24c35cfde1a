import { style } from "../terminal.ts";
import type { Answer, Question, Severity } from "./question.ts";
import type { NamedFinding, Snapshot } from "./snapshot.ts";
import { bytes, duration, percent } from "./texts.ts";
import type { NamedThreshold } from "./thresholds.ts";

// What fits on a screen; --json prints all.
const shownRows = 10;
const widest = 60;

const units: [end: RegExp, show: (value: number) => string][] = [
  [/BytesPerSecond$/, (value) => `${bytes(value)}/s`],
  [/milliseconds$/i, (value) => `${value.toFixed(1)} ms`],
  [/bytes$/i, bytes],
  [/seconds$/i, duration],
  [/percent$/i, (value) => percent(value).replace(" %", "")],
  [/days$/i, (value) => `${Math.floor(value)} d`],
];

const colours: Record<Severity, Parameters<typeof style>[0]> = { critical: "red", warning: "yellow", notice: "cyan" };

/** The answers, each as a table under its question, as lines. */
export function answerLines(taken: Snapshot, asked: readonly Question[]): string[] {
  return asked.flatMap(({ name, title, lines }) => {
    const answer = taken.answers[name]!;
    const body = lines && answer.rows.length > 0 ? [...lines(answer.rows), ...noteOf(answer)] : tableOf(answer);
    return [`${title}  (${name})`, ...body.map((line) => `  ${line}`), ""];
  });
}

const noteOf = ({ unavailable }: Answer) => (unavailable ? [`not known: ${unavailable}`] : []);

function tableOf(answer: Answer): string[] {
  const { rows } = answer;
  const note = noteOf(answer);
  const columns = Object.keys(rows[0] ?? {});
  if (columns.length === 0) return note.length > 0 ? note : ["nothing"];
  const shown = rows.slice(0, shownRows).map((row) => columns.map((column) => cell(column, (row as never)[column])));
  const headers = columns.map(header);
  const widths = headers.map((text, n) =>
    Math.min(widest, Math.max(text.length, ...shown.map((cells) => cells[n]!.length))),
  );
  const line = (cells: string[]) =>
    cells
      .map((text, n) => text.slice(0, widest).padEnd(widths[n]!))
      .join("  ")
      .trimEnd();
  const left = rows.length - shown.length;
  return [line(headers), ...shown.map(line), ...(left > 0 ? [`(and ${left} more: --json)`] : []), ...note];
}

/** A figure's name as people write it: sinceVacuumSeconds is "since vacuum", deadPercent is "dead %". */
function header(name: string): string {
  const words = name
    .replace(/Percent$/, "%")
    .replace(/(?<=[a-z])(BytesPerSecond|Bytes|Seconds|Days|Milliseconds)$/, "");
  return words.replace("%", " %").replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function cell(name: string, value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") {
    const unit = units.find(([end]) => end.test(name));
    return unit ? unit[1](value) : value.toLocaleString("en-US", { maximumFractionDigits: 1 });
  }
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value))
    return value.map((item) => (typeof item === "object" ? `${item.reason} -${item.points}` : item)).join(", ");
  return String(value);
}

/** What is wrong, what follows from it and what to do, as lines. */
export function findingLines(findings: readonly NamedFinding[]): string[] {
  return findings.flatMap(({ severity, question, what, why, fix, runbook }) => [
    `${style(colours[severity], severity)}  ${question}: ${what}`,
    `  why: ${why}`,
    `  fix: ${fix}`,
    ...(runbook ? [`  runbook: npm run runbook -- ${runbook}   (runbooks/${runbook}.md)`] : []),
  ]);
}

/** Every threshold with its reason and its source, as lines. */
export function thresholdLines(thresholds: readonly NamedThreshold[]): string[] {
  return thresholds.flatMap(({ name, value, unit, why, source }) => [
    `${name} = ${value.toLocaleString("en-US")} ${unit}`,
    `  ${why} ${source}`,
  ]);
}
