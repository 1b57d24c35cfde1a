import { parseArgs } from "node:util";
import type { Context } from "../cli.ts";
import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import { say } from "../terminal.ts";
import { confirmOnTerminal } from "./confirm.ts";
import { findPage, listLines, readPages } from "./pages.ts";
import { valuesOf } from "./parameters.ts";
import { needsAwsOnly } from "./rdsStep.ts";
import { exitCodes } from "./record.ts";
import { recordsFolder, runPage } from "./run.ts";

const usage = `usage: runbook                      lists the runbooks by symptom
       runbook NAME [options]       runs one: each step is shown, run and checked, up to the first surprise

Steps that only read run by themselves. Before a step that changes something you are asked; without a terminal
it is refused. Ctrl-C stops between two steps; a second one cancels the statement that runs, a third one ends
at once.

  --dry-run          show what each step would do; change nothing
  --yes              do not ask
  --set NAME=VALUE   set a parameter of the runbook; may be repeated
  --json             print the record of the run (or the list) on stdout as JSON

Each run leaves a record in ${recordsFolder}/, and in deploy.runbook_run and deploy.runbook_step of the database.

Exit code: 0 every step found what it expected, 1 a step did not, or you said no; 2 wrong usage, or a step that
changes something was refused; 130 interrupted.`;

const options = {
  "dry-run": { type: "boolean" },
  yes: { type: "boolean", short: "y" },
  json: { type: "boolean" },
  set: { type: "string", multiple: true },
  help: { type: "boolean", short: "h" },
} as const;

function parse(argv: string[]) {
  const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true });
  if (positionals.length > 1)
    throw new UserError(`one runbook at a time, not ${positionals.join(" and ")}`, { exitCode: 2 });
  return { ...values, name: positionals[0] };
}

/** Whether a call will talk to a database or ask a stack: the list does not, and a mistake should not have to find one first. */
export async function needsDatabase(argv: string[]): Promise<boolean> {
  const { name, set = [] } = parse(argv);
  if (name === undefined) return false;
  const page = await findPage(name);
  return !needsAwsOnly(page, valuesOf(page.parameters, set));
}

/**
 * The command `runbook`.
 * @returns the exit code
 * @throws UserError (exit code 2) for an unknown runbook or a parameter that is wrong or missing
 */
export async function command(argv: string[], connection: Connection, context: Context): Promise<number> {
  const { name, help, json, yes, "dry-run": dryRun, set = [] } = parse(argv);
  if (help) {
    say(usage);
    return 0;
  }
  if (name === undefined) return list(Boolean(json));
  const page = await findPage(name);
  const values = valuesOf(page.parameters, set);
  const [stop, cancel] = [new AbortController(), new AbortController()];
  const interrupt = () => {
    // What a command of the toolkit does cannot be cancelled; all of them may be killed at any moment.
    if (cancel.signal.aborted) process.exit(exitCodes.interrupted);
    if (stop.signal.aborted) cancel.abort();
    else say("\nstopping after this step; once more cancels its statement, a third time ends at once");
    stop.abort();
  };
  process.on("SIGINT", interrupt);
  try {
    const record = await runPage(page, {
      ...{ connection, context, values, dryRun, say, records: recordsFolder },
      confirm: async (question) => (yes ? "yes" : confirmOnTerminal(question, () => stop.abort())),
      stop: stop.signal,
      cancel: cancel.signal,
    });
    if (json) process.stdout.write(`${JSON.stringify(record, null, 2)}\n`);
    return exitCodes[record.result];
  } finally {
    process.off("SIGINT", interrupt);
  }
}

async function list(json: boolean): Promise<number> {
  if (json) {
    const pages = await readPages();
    const rows = pages.map(({ name, title, symptom, needs, parameters, steps }) => ({
      ...{ name, title, symptom, needs, parameters },
      changes: steps.some((step) => step.changes),
    }));
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
  } else process.stdout.write(`${(await listLines()).join("\n")}\n`);
  return 0;
}
