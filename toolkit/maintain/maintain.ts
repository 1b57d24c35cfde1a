import { type Connection, withClient } from "../connection.ts";
import { messageOf, UserError } from "../errors.ts";
import { isConnectionLost } from "../migrate/failure.ts";
import { lookAt } from "../monitor/database.ts";
import type { Overrides } from "../monitor/thresholds.ts";
import type { Report, Reported } from "./report.ts";
import { type Session, type Stop, withSession } from "./session.ts";
import type { Choices, Look, Outcome, Step, Task } from "./step.ts";
import { tasks } from "./tasks.ts";

/** How to maintain a database. */
export interface MaintainOptions extends Choices {
  /** Milliseconds that the whole run may take; half an hour. */
  budget?: number;
  /** Bytes per second that vacuum and analyze may write; 40 MB, as much as autovacuum's defaults. */
  writeRate?: number;
  /** Tasks by name; all when left out. */
  only?: readonly string[];
  /** Values that replace thresholds of the monitor, by full name. */
  limits?: Overrides;
  /** Only tells what would be done. */
  dryRun?: boolean;
  /** Set from outside to end the run early. */
  stop?: Stop;
  say?: (line: string) => void;
}

export const defaultBudget = 30 * 60_000;
export const defaultWriteRate = 40_000_000;

// To find out what needs it is a matter of catalogs: who waits longer than this for one is not served by waiting more.
const lookBegin = `
  begin transaction read only;
  set local statement_timeout = '30s'; set local lock_timeout = '1s'; set local jit = off;
  set local search_path = pg_catalog`;

/**
 * Does what a database needs, in order of need, and nothing else. Each task looks again when its turn comes, so that it
 * knows of what was done before, by us or by autovacuum. What could not be had is tried once more at the end.
 * @throws UserError when another run is at work, on a standby, for an unknown task, and when the database is lost
 */
export function maintain(connection: Connection, options: MaintainOptions): Promise<Report> {
  const { budget = defaultBudget, writeRate = defaultWriteRate, dryRun = false, say = () => {} } = options;
  const stop = options.stop ?? { soon: false, now: false };
  const chosen = chooseTasks(options.only);
  return withSession(connection, { budget, writeRate, stop, say }, async (session) => {
    const report: Report = {
      ...{ version: 1, startedAt: new Date().toISOString(), finishedAt: "", database: connection.database },
      ...{ dryRun, budgetSeconds: budget / 1_000, interrupted: false, steps: [] },
    };
    const again: { task: Task; step: Step; entry: Reported }[] = [];
    for (const task of chosen) {
      if (stop.soon) break;
      for (const step of await find(task, session, options, report)) {
        if (dryRun && doneBefore(step, report)) continue;
        const entry = entryOf(task, step);
        report.steps.push(entry);
        if (!dryRun) await perform(session, step, entry);
        if (entry.result === "yielded" || entry.result === "skipped") again.push({ task, step, entry });
      }
    }
    for (const { step, entry } of again) if (!stop.soon) await perform(session, step, entry);
    report.interrupted = stop.soon;
    return { ...report, finishedAt: new Date().toISOString() };
  });
}

/** @throws UserError (exit code 2) for a task that there is not */
export function chooseTasks(only: readonly string[] = tasks.map(({ name }) => name)): Task[] {
  const unknown = only.filter((name) => !tasks.some((task) => task.name === name));
  if (unknown.length > 0)
    throw new UserError(`there is no task ${unknown.join(", ")}`, {
      fix: `Use some of ${tasks.map(({ name }) => name).join(", ")}.`,
      exitCode: 2,
    });
  return tasks.filter(({ name }) => only.includes(name));
}

/** What a task finds; where it cannot look, that is a failed step, and the other tasks go on. */
async function find(task: Task, session: Session, options: MaintainOptions, report: Report): Promise<Step[]> {
  try {
    return await withClient(session.connection, { applicationName: "postgres-from-code maintain" }, async (client) => {
      await client.query(lookBegin);
      const look: Look = { database: await lookAt(client), session, limits: options.limits ?? {}, choices: options };
      return task.find(look);
    });
  } catch (error) {
    if (isConnectionLost(error)) throw error;
    const empty = { object: "", why: "", does: task.runs, costBytes: null };
    report.steps.push({ task: task.name, ...empty, result: "failed", note: firstLine(error), seconds: 0 });
    return [];
  }
}

/** Whether a vacuum that is only listed yet would analyze the table as well. */
function doneBefore({ object, does }: Step, { steps }: Report): boolean {
  return (
    does.startsWith("analyze") && steps.some((step) => step.object === object && /^vacuum .*analyze/.test(step.does))
  );
}

function entryOf({ name }: Task, { object, why, does, costBytes }: Step): Reported {
  return { task: name, object, why, does, costBytes, result: "planned", seconds: 0 };
}

async function perform(session: Session, step: Step, entry: Reported): Promise<void> {
  const started = performance.now();
  const { result, note } = await outcomeOf(session, step);
  entry.seconds += Math.round(performance.now() - started) / 1_000;
  entry.result = result;
  if (note === undefined) delete entry.note;
  else entry.note = note;
  session.say(`${entry.task}: ${entry.object}: ${[result, note].filter(Boolean).join(", ")}, ${entry.seconds} s`);
}

async function outcomeOf(session: Session, step: Step): Promise<Outcome> {
  if (session.stop.soon) return { result: "interrupted" };
  if (Date.now() >= session.deadline) return { result: "out of time" };
  try {
    return await step.run(session);
  } catch (error) {
    // A table that somebody dropped, a right that is missing: no reason to leave the others alone.
    if (isConnectionLost(error)) throw error;
    return { result: "failed", note: firstLine(error) };
  }
}

const firstLine = (error: unknown) => messageOf(error).split("\n")[0]!;
