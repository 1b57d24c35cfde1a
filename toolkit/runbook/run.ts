import type { Context } from "../cli.ts";
import type { Connection } from "../connection.ts";
import { messageOf } from "../errors.ts";
import { commandWords, runCommand } from "./commandStep.ts";
import { judge, type Outcome } from "./expectations.ts";
import { databaseJournal, fileJournal } from "./journal.ts";
import type { Values } from "./parameters.ts";
import type { Page, Step } from "./parse.ts";
import { canAskAws, isRdsStep } from "./rdsStep.ts";
import { newRecord, newStep, outputToKeep, type RunRecord, rowsToKeep, type StepRecord } from "./record.ts";
import { RunSession } from "./session.ts";
import { inStep, outcomeLines, pageLines, plain, stepLines, verdictLines } from "./show.ts";
import { generatesStatements, runSql, statementsToRun } from "./sql.ts";

/** How to run a page. */
export interface RunOptions {
  connection: Connection;
  context: Context;
  values: Values;
  /** Shows what would be done; reads, and changes nothing. */
  dryRun?: boolean;
  /** Asked before each step that changes something. */
  confirm: (question: string) => Promise<"yes" | "no" | "nobody to ask">;
  say: (line: string) => void;
  /** The folder of the records. */
  records: string;
  /** Told to stop: the step that runs is finished first. */
  stop?: AbortSignal;
  /** Told to stop again: the statement that runs is cancelled. */
  cancel?: AbortSignal;
}

/** What one run works with. */
interface Run extends RunOptions {
  page: Page;
  session: RunSession;
  record: RunRecord;
  /** Writes the record as it is now. */
  save: () => Promise<void>;
}

/** Where the records of runs are kept, relative to the project's root, which is the current folder. */
export const recordsFolder = "db_reports/runbooks";

/**
 * Runs a page, step by step, up to the first surprise.
 * @returns the record, which is on disk too, and in the database where that is possible
 */
export async function runPage(page: Page, options: RunOptions): Promise<RunRecord> {
  const { connection, values, dryRun = false, say, records } = options;
  const session = new RunSession(connection);
  const record = newRecord(page, values, dryRun, connection);
  // A dry run leaves nothing in the database, not even a record of itself; and a page may need none.
  const journal = dryRun || !connection.host ? undefined : databaseJournal(session, say);
  const run: Run = { ...options, page, session, record, save };
  const cancel = () => void session.cancel().catch(() => {});
  options.cancel?.addEventListener("abort", cancel);
  const file = fileJournal(records, say);
  async function save(): Promise<void> {
    await file.save(record);
    await journal?.save(record);
  }
  for (const line of pageLines(page, values, dryRun)) say(line);
  try {
    await save();
    record.result = await runSteps(run);
    record.finishedAt = new Date().toISOString();
    await save();
    say("");
    say(`${endings[record.result]} (${file.path ? `record: ${file.path}` : "no record in a file"})`);
    return record;
  } finally {
    options.cancel?.removeEventListener("abort", cancel);
    await session.close();
  }
}

const endings: Record<RunRecord["result"], string> = {
  running: "It is not finished.",
  done: "Done: every step found what it expected.",
  "dry run": "Dry run: nothing was changed.",
  stopped: "Stopped at the first surprise.",
  declined: "Stopped, as you asked.",
  refused: "Stopped before a step that changes something: nobody is at the terminal, and there is no --yes.",
  interrupted: "Interrupted between two steps.",
};

async function runSteps(run: Run): Promise<RunRecord["result"]> {
  const { page, dryRun, say, stop } = run;
  // Once something would have been changed, later steps would look at what is not there.
  let changed = false;
  for (const step of page.steps) {
    if (stop?.aborted) return "interrupted";
    for (const line of stepLines(step, page.steps.length)) say(line);
    changed ||= step.changes;
    // Where AWS cannot be asked, a dry run still shows what it would be asked.
    changed ||= Boolean(dryRun) && isRdsStep(step) && !(await canAskAws());
    const record = newStep(step);
    run.record.steps.push(record);
    if (dryRun && changed) {
      await showOnly(run, step, record);
      if (record.result === "failed") return "stopped";
      continue;
    }
    if (step.changes) await announce(run, step);
    const refusal = step.changes ? await ask(run, step) : undefined;
    if (refusal) {
      record.result = refusal === "interrupted" ? "declined" : refusal;
      return refusal;
    }
    if (step.changes) await run.save();
    await runStep(run, step, record);
    await run.save();
    if (record.result === "failed") return stop?.aborted && run.cancel?.aborted ? "interrupted" : "stopped";
  }
  if (dryRun) return "dry run";
  return "done";
}

/** Before anybody is asked: the statements that a step generates, for they alone tell what it will do. */
async function announce({ session, values, say }: Run, step: Step): Promise<void> {
  if (!generatesStatements(step)) return;
  // Where this fails, so does the step, which says why.
  const statements = await session
    .client()
    .then((client) => statementsToRun(client, step, values))
    .catch(() => []);
  if (statements.length > 0) say(inStep(`runs:\n${statements.join("\n")}`));
}

async function ask({ confirm, stop }: Run, step: Step): Promise<"declined" | "refused" | "interrupted" | undefined> {
  const answer = await confirm(`${step.title}?`);
  if (stop?.aborted) return "interrupted";
  if (answer === "nobody to ask") return "refused";
  return answer === "yes" ? undefined : "declined";
}

/** Runs a step and judges it; whatever goes wrong ends in its record. */
async function runStep(run: Run, step: Step, record: StepRecord): Promise<void> {
  const { say, values } = run;
  try {
    const outcome = await perform(run, step);
    for (const line of outcomeLines(outcome)) say(line);
    record.columns = outcome.columns;
    record.rows = rowsToKeep(outcome.rows);
    record.output = outputToKeep(outcome.output);
    record.checks = judge(step.expectations, outcome, values);
    for (const line of verdictLines(record.checks)) say(line);
    record.result = record.checks.every(({ met }) => met) ? "done" : "failed";
  } catch (error) {
    record.result = "failed";
    record.error = messageOf(error);
    say(inStep(`error: ${record.error}`));
  }
  record.finishedAt = new Date().toISOString();
  if (record.result === "done") return;
  record.next = step.otherwise;
  say(inStep(`next: ${plain(step.otherwise)}`));
}

async function perform({ session, values, connection, context, say }: Run, step: Step): Promise<Outcome> {
  if (step.language === "sql") return runSql(await session.client(), step, values);
  return runCommand(step.text, values, [connection, context], (line) => say(inStep(line)));
}

async function showOnly(run: Run, step: Step, record: StepRecord): Promise<void> {
  const { session, values, say } = run;
  record.result = "shown";
  record.finishedAt = new Date().toISOString();
  if (isRdsStep(step)) return showCalls(run, step, record);
  if (!step.changes) {
    say(inStep("not run now: it looks at what the steps before would have changed"));
    return;
  }
  try {
    if (step.language === "sql" && !generatesStatements(step)) return;
    const statements =
      step.language === "sql"
        ? await statementsToRun(await session.client(), step, values)
        : [`toolkit ${commandWords(step.text, values).join(" ")}`];
    say(inStep(statements.length > 0 ? `would run now:\n${statements.join("\n")}` : "would run nothing now"));
    record.output = outputToKeep(statements.join("\n"));
  } catch (error) {
    record.error = messageOf(error);
    say(inStep(`what it would run cannot be told: ${record.error}`));
  }
}

/** What a command would ask of AWS; it refuses in a dry run what it would refuse without one. */
async function showCalls({ connection, context, values, say }: Run, step: Step, record: StepRecord): Promise<void> {
  say(inStep("would call:"));
  const dry = `${step.text} --dry-run`;
  const { exit, output } = await runCommand(dry, values, [connection, context], (line) => say(inStep(line)));
  record.output = outputToKeep(output);
  if (exit === 0) return;
  record.result = "failed";
  record.next = step.otherwise;
  say(inStep(`next: ${plain(step.otherwise)}`));
}
