import type { Database } from "./database.ts";

/** How urgent a finding is: an outage near, a loss now, something to tidy up. */
export type Severity = "critical" | "warning" | "notice";

/** A limit that a question compares with; a configuration may replace its value. */
export interface Threshold {
  value: number;
  /** The unit of `value`: "%", "seconds", "bytes", "rows" and so on. */
  unit: string;
  /** Why this value and no other. */
  why: string;
  /** The page that justifies it. */
  source: string;
}

/** Something that is wrong, and what to do about it. */
export interface Finding {
  severity: Severity;
  /** The table, index, session, statement or setting that it is about; empty for the whole server. */
  object: string;
  /** What is wrong, with its figure: a whole sentence. */
  what: string;
  /** Why it matters: a whole sentence. */
  why: string;
  /** What to do: SQL or a command to paste where there is one. */
  fix: string;
  /** The page of runbooks/ for it, by name; none where none is needed. */
  runbook?: Runbook;
}

/** The pages of runbooks/ that findings lead to. */
export type Runbook =
  | "disk-nearly-full"
  | "failed-concurrent-index"
  | "lock-pile-up"
  | "pool-exhausted"
  | "replica-lagging"
  | "wraparound-near";

/**
 * What a question found: the figures, whether good or bad, and what is wrong with them. The unit of a figure ends its
 * name (sizeBytes, ageSeconds, hitPercent), so that whoever shows it needs no other description.
 */
export interface Answer<Row extends object = object> {
  rows: Row[];
  findings: Finding[];
  /** Why the question could not be asked here, or not wholly (a missing extension or right), and what would allow it. */
  unavailable?: string;
}

/** One question to a live database. It reads only. */
export interface Question<Row extends object = object, Names extends string = string> {
  /** How it is called on the command line and in JSON: lower case, joined by hyphens. */
  name: string;
  /** The question, as a person asks it. */
  title: string;
  thresholds: Record<Names, Threshold>;
  /** @param limits the value of each threshold, in its unit */
  ask(database: Database, limits: Record<Names, number>): Promise<Answer<Row>>;
  /** Its rows as lines for a terminal, where a table of their figures does not show them. */
  lines?(rows: readonly Row[]): string[];
}

/** Keeps the names of a question's thresholds and the type of its rows. */
export function question<Row extends object, Names extends string>(asked: Question<Row, Names>): Question<Row, Names> {
  return asked;
}

/** The values of a question's thresholds, with those that a configuration replaces. */
export function limitsOf<Names extends string>(
  thresholds: Record<Names, Threshold>,
  overrides: Partial<Record<Names, number>> = {},
): Record<Names, number> {
  const values = Object.entries<Threshold>(thresholds).map(([name, { value }]) => [name, value]);
  return { ...Object.fromEntries(values), ...overrides };
}
