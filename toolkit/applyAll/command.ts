import { parseArgs } from "node:util";
import type { Context } from "../cli.ts";
import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import { checkOverrides } from "../monitor/thresholds.ts";
import { confirmOnTerminal } from "../runbook/confirm.ts";
import { say } from "../terminal.ts";
import { announce, applyAll, faults, slowness, stages } from "./applyAll.ts";
import { type Looked, lookFirst } from "./looking.ts";

const usage = `usage: toolkit apply-all [options]

What a database gets first: checks whether now is a time, a backup, all pending migrations, statistics, a validation, and
a first performance report. A table too big for one transaction is converted to partitions while it is in use. Works on any database: the migrations make the tables where there are none. Safe to run again,
also after it was killed: it goes on where it stopped.

  --yes             do it without asking
  --dry-run         only check, and tell what would be done
  --without-backup  make no backup before the migrations
  --directory DIR   the folder of migrations (migrations)
  --duration S      seconds of load for the performance report, about (20)
  --reports DIR     where initial_performance_report_<time>.json and validation_results_<time>.json go (db_reports)
  --json            print the whole result on stdout as JSON

What the performance report finds is told, and fails nothing.
Exit code: 0 all is well, 1 a check before or the validation after failed, 2 wrong usage, or nobody said yes.`;

const options = {
  yes: { type: "boolean" },
  "dry-run": { type: "boolean" },
  "without-backup": { type: "boolean" },
  directory: { type: "string", default: "migrations" },
  duration: { type: "string", default: "20" },
  reports: { type: "string", default: "db_reports" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

const mostDuration = 3_600;

function parse(argv: string[]) {
  const { values } = parseArgs({ args: argv, options });
  if (!/^[1-9]\d{0,3}$/.test(values.duration) || Number(values.duration) > mostDuration)
    throw new UserError(`--duration ${values.duration} is not accepted`, {
      fix: `Give a whole number from 1 to ${mostDuration}.`,
      exitCode: 2,
    });
  return values;
}

/** Always, once the arguments are known to be right: a mistake should not have to find a database first. */
export async function needsDatabase(argv: string[]): Promise<boolean> {
  parse(argv);
  return true;
}

/**
 * The command `apply-all`.
 * @returns the exit code
 * @throws UserError with exit code 2 for wrong usage, 1 when a check or a stage fails
 */
export async function command(argv: string[], connection: Connection, context: Context): Promise<number> {
  const values = parse(argv);
  if (values.help) {
    say(usage);
    return 0;
  }
  const { directory, reports } = values;
  const limits = checkOverrides(context.thresholds ?? {}, "database:thresholds");
  announce("checks", say);
  const looked = await lookFirst(connection, { directory, limits, say });
  tell(looked, connection);
  if (values["dry-run"]) {
    if (values.json) print(planOf(looked));
    say(`would go on with: ${stages.slice(1).join(", ")}`);
    return 0;
  }
  const answer = values.yes ? "yes" : await confirmOnTerminal(`Go on with ${stages.slice(1).join(", ")}?`, () => {});
  if (answer !== "yes") {
    say("Nothing was done. Add --yes to do it.");
    return 2;
  }
  const { backup } = context;
  const done = await applyAll(connection, looked, {
    ...{ directory, reports, limits, backup, backupBefore: !values["without-backup"] },
    ...{ duration: Number(values.duration), say },
  });
  if (values.json) print(done);
  for (const slow of slowness(done)) say(`warning: ${slow}`);
  for (const fault of faults(done)) say(`failed: ${fault}`);
  say(done.passed ? "all is well" : "all was done, and not all is valid: see above");
  return done.passed ? 0 : 1;
}

/** @throws UserError with everything that speaks against it */
function tell({ plan, problems, warnings, snapshot, pending, conversions }: Looked, { database }: Connection): void {
  const { findings, milliseconds, server } = snapshot;
  say(`${database}, PostgreSQL ${server.version}: ${findings.length} findings in ${milliseconds} ms (toolkit check)`);
  for (const { severity, question, what } of findings)
    if (severity === "critical") say(`critical, ${question}: ${what}`);
  for (const warning of warnings) say(`warning: ${warning}`);
  if (problems.length > 0)
    throw new UserError(["nothing was touched, for not all is as it has to be:", ...problems].join("\n"));
  for (const line of plan) say(line);
  for (const { table, migration } of conversions)
    say(`${table} is too big for the transaction of ${migration}: it is converted before, while it is in use`);
  say(pending.length === 0 ? "no migration is pending" : `${pending.length} migrations are pending`);
}

const planOf = ({ pending, conversions, warnings, snapshot }: Looked) => ({
  pending: pending.map(({ name }) => name),
  conversions,
  warnings,
  findings: snapshot.findings,
});

function print(data: unknown): void {
  process.stdout.write(`${JSON.stringify(data, null, 2)}\n`);
}
