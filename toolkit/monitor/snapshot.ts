import { messageOf } from "../errors.ts";
import type { Queryable } from "../queryable.ts";
import { type Database, lookAt } from "./database.ts";
import type { LogSource } from "./plans/logSource.ts";
import { type Answer, type Finding, limitsOf, type Question, type Severity } from "./question.ts";
import { questions } from "./questions.ts";
import type { Server } from "./server.ts";
import { type Overrides, overridesOf } from "./thresholds.ts";

/** A finding, with the question that it answers. */
export interface NamedFinding extends Finding {
  question: string;
}

/** All that is known of a database at one moment. Plain data: JSON takes it as it is. */
export interface Snapshot {
  /** An ISO time in UTC. */
  takenAt: string;
  /** How long it took. */
  milliseconds: number;
  server: Server;
  /** The answers by the name of their question. */
  answers: Record<string, Answer>;
  /** What is wrong, the most urgent first. */
  findings: NamedFinding[];
}

const urgency: Severity[] = ["critical", "warning", "notice"];

/** The order of findings: the most urgent first. */
export function bySeverity(one: NamedFinding, other: NamedFinding): number {
  return urgency.indexOf(one.severity) - urgency.indexOf(other.severity);
}

// One transaction that only reads: its settings end with it, also behind a pool that hands sessions on. A lock is never
// waited for, nothing runs long, and catalog queries are not compiled. All names are pg_catalog's, whatever else there is.
const begin = `
  begin transaction read only;
  set local statement_timeout = '2s'; set local lock_timeout = '100ms'; set local jit = off;
  set local search_path = pg_catalog; set local timezone = 'UTC'`;

/**
 * Asks every question, or some of them. A question that fails says so in `unavailable`, and the others are asked all
 * the same. A dozen and a half statements, however many tables there are; no table is locked or read.
 * @param client a session that is not in a transaction
 * @param options.limits values that replace thresholds, as checked by `checkOverrides`
 * @param options.logs where the server's log may be, for questions that read it
 * @throws when the session itself fails
 */
export async function snapshot(
  client: Queryable,
  options: { limits?: Overrides; ask?: readonly Question[]; logs?: readonly LogSource[] } = {},
): Promise<Snapshot> {
  const started = performance.now();
  const takenAt = new Date().toISOString();
  await client.query(begin);
  try {
    const database = await lookAt(client, options.logs);
    const answers: Record<string, Answer> = {};
    const findings: NamedFinding[] = [];
    for (const question of options.ask ?? questions) {
      const answer = await ask(question, database, options.limits ?? {});
      answers[question.name] = answer;
      findings.push(...answer.findings.map((finding) => ({ question: question.name, ...finding })));
    }
    findings.sort(bySeverity);
    const milliseconds = Math.round((performance.now() - started) * 10) / 10;
    return { takenAt, milliseconds, server: database.server, answers, findings };
  } finally {
    // After an error of the connection itself there is nothing to end.
    await client.query("rollback").catch(() => {});
  }
}

async function ask(question: Question, database: Database, limits: Overrides): Promise<Answer> {
  try {
    return await question.ask(database, limitsOf(question.thresholds, overridesOf(question, limits)));
  } catch (error) {
    const code = (error as { code?: string }).code ?? "";
    // Not the server's word on one statement, but the end of the session, or a mistake in the question itself.
    if (!/^[0-9A-Z]{5}$/.test(code) || /^(08|57P)/.test(code)) throw error;
    await database.query(`rollback; ${begin}`);
    return { rows: [], findings: [], unavailable: `${messageOf(error)} (SQLSTATE ${code}).${advice[code] ?? ""}` };
  }
}

/** What would allow a question that the server refuses, by SQLSTATE. */
const advice: Record<string, string> = {
  "42501": " Grant pg_monitor to this role.",
  "57014": " It took too long: the server is very busy, or its catalog very large.",
  "55P03": " Somebody holds an exclusive lock on what it looks at; see `toolkit check locks`.",
};
