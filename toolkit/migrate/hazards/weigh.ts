import { problem } from "../files.ts";
import type { Acceptances } from "./accepts.ts";
import { type Advice, advices } from "./advice.ts";
import type { Finding } from "./find.ts";
import { ruleOf } from "./rules.ts";
import { describeSize, isBig } from "./sizes.ts";

/** One hazard of a migration. */
export interface Hazard {
  /** Squawk's name of the rule, or one of ours. */
  rule: string;
  /** Number of the statement in its migration, from 1. */
  statement: number;
  relation: string | null;
  /** A hazard that blocks stops `up`, unless it is accepted. */
  severity: "blocks" | "note";
  /** Why the migration may do it all the same: its own words. */
  accepted: string | null;
  /** The danger, in one line. */
  summary: string;
  /** The danger, the reason, and the safe code to paste. */
  message: string;
}

/** How to weigh a hazard on a table whose size nobody knows, such as without a database. */
export type UnknownSize = "blocks" | "note";

/** The migration that hazards belong to. */
export interface Author {
  name: string;
  file: string;
  accepts: Acceptances;
  /** The migration before it, where that is pending as well. */
  before?: string | undefined;
}

/** Makes a hazard of a finding: weighs it by the table's size, and puts it into words. */
export function weigh(finding: Finding, author: Author, unknownSize: UnknownSize): Hazard {
  const { rule, statement, size } = finding;
  const table = size?.ofIndex ? size.relation : finding.table;
  const advice = adviceFor(finding, author);
  const place = size
    ? `${table} (${describeSize(size)})`
    : `${table}${finding.isNew ? " (new in this run)" : " (size not known)"}`;
  const summary = `${author.name}: ${advice.danger.replace("TABLE", place)} [${rule}]`;
  const code = advice.code?.map((line) => `\n    ${line}`).join("") ?? "";
  const fix = `${advice.fix.replace(/[.:]$/, "")}${code ? `:${code}` : "."}\n    Or say why it is safe: ${howToAccept(author.file, rule)}`;
  const accepted = Object.hasOwn(author.accepts, rule) ? author.accepts[rule]! : null;
  return {
    rule,
    statement: statement + 1,
    relation: table ?? null,
    severity: severityOf(finding, unknownSize),
    accepted,
    summary,
    message: problem(summary, advice.why, fix),
  };
}

function severityOf({ rule, table, size, isNew }: Finding, unknownSize: UnknownSize): Hazard["severity"] {
  const { weight } = ruleOf(rule);
  if (weight !== "size") return weight === "always" ? "blocks" : "note";
  // What names no table, such as a change of a domain, blocks where a run on a copy shows what it does to tables.
  if (table === undefined || isNew) return "note";
  if (size === undefined) return unknownSize;
  return isBig(size) ? "blocks" : "note";
}

function adviceFor({ rule, table, clause, squawk, reading }: Finding, { before }: Author): Advice {
  const ours = Object.hasOwn(advices, rule) ? advices[rule] : undefined;
  if (ours) return ours({ reading, table: table ?? "", clause, before });
  const message = squawk?.message.replace(/\.$/, "") ?? rule;
  const danger = `${message.charAt(0).toLowerCase()}${message.slice(1)}`;
  return {
    danger: table === undefined ? danger : `on TABLE: ${danger}`,
    why: `Squawk's rule ${rule}: https://squawkhq.com/docs/${rule}`,
    fix: squawk?.help ?? "Let the application stop using it first.",
  };
}

function howToAccept(file: string, rule: string): string {
  return file.endsWith(".sql")
    ? `-- accepts ${rule}: the reason`
    : `export const accepts = { "${rule}": "the reason" };`;
}
