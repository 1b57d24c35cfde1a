import type { BackupTarget } from "../backup/target.ts";
import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import { maintain } from "../maintain/maintain.ts";
import { type Report, saveReport, summaryLine } from "../maintain/report.ts";
import { deploy } from "../migrate/deploy.ts";
import type { Overrides } from "../monitor/thresholds.ts";
import { type PerformanceResult, testPerformance } from "../perf/run.ts";
import { convertAll, lastBefore } from "./conversions.ts";
import type { Looked } from "./looking.ts";
import { type ValidationResults, validateNow } from "./validation.ts";

/** How to go about it. */
export interface ApplyAllOptions {
  directory: string;
  backup: BackupTarget;
  /** Without a backup that succeeds, nothing is migrated. */
  backupBefore: boolean;
  /** Seconds that measuring takes, about. */
  duration: number;
  limits: Overrides;
  /** Where the reports go. */
  reports: string;
  say: (line: string) => void;
}

/** What a run did. Plain data: JSON takes it as it is. */
export interface AppliedAll {
  database: string;
  head: string | null;
  /** The migrations that this run applied. */
  migrated: string[];
  analyzed: Report["steps"];
  validation: ValidationResults;
  performance: PerformanceResult;
  /** The files that were written. */
  reports: string[];
  /** Whether the validation passed. How fast a database is tells the report; it fails nothing on a first day. */
  passed: boolean;
}

/** The stages, in order; the first is over before {@link applyAll} begins. */
export const stages = ["checks", "backup and migrations", "analyze", "validation", "performance report"] as const;

// All that changed and all that was never analyzed: a fresh start, where a daily run only takes what is far off.
const everyChange = { "dead-tuples.changedRows": 1, "dead-tuples.changedPercent": 1 };
// An analyze that takes longer is left to the daily maintenance.
const analyzeBudget = 60 * 60_000;
// Nobody said which backups may go, so none does.
const keepAll = { backupCount: 1_000_000, backupRetention: 1_000_000 };
const slowdownFactor = 3;
const connections = 8;

/**
 * Brings a database to the head of its migrations and in shape, and tells how it is then. Killed at any moment, the next
 * run goes on: migrations keep a journal, and every other stage only looks, or does what is needed still.
 * @param looked what was found before, with nothing that speaks against it
 * @throws UserError when a stage fails, with what to do
 */
export async function applyAll(connection: Connection, looked: Looked, options: ApplyAllOptions): Promise<AppliedAll> {
  const { directory, backup, backupBefore, duration, limits, reports, say } = options;
  announce("backup and migrations", say);
  const how = { directory, backup, backupBefore, ...keepAll, autoRollback: true, slowdownFactor, say };
  const to = lastBefore(looked.pending, looked.conversions);
  const first = to ? await deploy(connection, { ...how, to }) : undefined;
  await convertAll(connection, looked.conversions, say);
  const { ran: last, head } = await deploy(connection, how);
  const ran = [...(first?.ran ?? []), ...last];
  if (ran.length === 0) say(`nothing to migrate: the schema is at ${head ?? "its beginning"}, so no backup is needed`);
  else say(`${ran.length} of ${looked.pending.length} pending migrations applied, up to ${head}`);

  announce("analyze", say);
  const analyzed = await maintain(connection, {
    ...{ backup, only: ["analyze"], budget: analyzeBudget, limits: { ...limits, ...everyChange }, say },
  });
  say(analyzed.steps.length === 0 ? "all statistics are up to date" : summaryLine(analyzed));
  refuseFailed(analyzed);

  announce("validation", say);
  const validation = await validateNow(connection, directory);
  const validationFile = await saveReport(reports, "validation_results", { startedAt: validation.takenAt }, validation);
  say(`${validation.checks.length} checks, saved as ${validationFile}`);

  announce("performance report", say);
  const performance = await testPerformance(connection, { duration, connections, say });
  const startedAt = performance.takenAt;
  const performanceFile = await saveReport(reports, "initial_performance_report", { startedAt }, performance);
  say(`${performance.checks.length} checks, saved as ${performanceFile}`);
  return {
    ...{ database: connection.database, head, migrated: ran, analyzed: analyzed.steps, validation, performance },
    reports: [validationFile, performanceFile],
    passed: validation.passed,
  };
}

/** Tells which stage begins. */
export function announce(stage: (typeof stages)[number], say: (line: string) => void): void {
  say(`[${stages.indexOf(stage) + 1}/${stages.length}] ${stage}`);
}

function refuseFailed({ steps }: Report): void {
  const failed = steps.filter(({ result }) => result === "failed");
  if (failed.length === 0) return;
  throw new UserError(`not everything could be analyzed: ${failed.map(({ object }) => object).join(", ")}`, {
    why: failed.map(({ note }) => note).join("; "),
    fix: "Correct that and run it again: what is done is not done twice.",
  });
}

/** What is not valid, each with what to do, for people. */
export function faults({ validation }: AppliedAll): string[] {
  return validation.checks
    .flatMap((check) => check.faults)
    .map(({ what, why, fix }) => [what, why && `  why: ${why}`, `  fix: ${fix}`].filter(Boolean).join("\n"));
}

/** What the performance report found slow, each with what to do, for people. */
export function slowness({ performance }: AppliedAll): string[] {
  return performance.checks
    .filter(({ verdict }) => verdict === "failed")
    .map(({ name, title, rows }) => {
      const failed = rows.filter(({ verdict }) => verdict === "failed");
      const said = failed.map((row) => `${row.subject}: ${row.said ?? "too slow."}`).join(" ");
      return `${name}: ${title}\n  why: ${said}\n  fix: Look closer: toolkit test performance; for indexes: toolkit advise.`;
    });
}
