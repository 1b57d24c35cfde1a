import { mkdir, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { parseArgs } from "node:util";
import type { Context } from "../cli.ts";
import type { Connection } from "../connection.ts";
import { messageOf, UserError } from "../errors.ts";
import { limitOptions, limitsOf, limitUsage } from "../monitor/limits.ts";
import { logsOf } from "../monitor/plans/logs.ts";
import { say } from "../terminal.ts";
import { page } from "./page.ts";
import { makeReport, type Report } from "./report.ts";

const [defaultFolder, defaultSeconds, longest] = ["db_reports", 2, 3600];

const usage = `usage: toolkit report [--json] [--output FOLDER] [--seconds S]

Writes how the database is: a page with plots, for any browser, that needs nothing else, and the same as JSON. It holds
a score, what is wrong with what to do, activity, tables, statements with their plans, indexes and the thresholds; and, where
\`toolkit record\` has run, trends and when what runs out. It only reads.

  --output FOLDER          where the two files go (${defaultFolder})
  --seconds S              how long activity is watched (${defaultSeconds})
  --json                   print the report on stdout as JSON, and write no files
${limitUsage}

Exit code: 0 the report was made, whatever it says, 1 it was not, 2 wrong usage.`;

const options = {
  output: { type: "string" },
  seconds: { type: "string", default: String(defaultSeconds) },
  json: { type: "boolean" },
  ...limitOptions,
  help: { type: "boolean", short: "h" },
} as const;

/**
 * The command `report`.
 * @returns the exit code
 * @throws UserError when the database cannot be reached, or a file cannot be written; with exit code 2 for wrong usage
 */
export async function command(argv: string[], connection: Connection, context: Context): Promise<number> {
  const { values } = parseArgs({ args: argv, options });
  if (values.help) {
    say(usage);
    return 0;
  }
  const seconds = Number(values.seconds);
  if (!(seconds > 0 && seconds <= longest))
    throw new UserError(`--seconds ${values.seconds} is not accepted`, {
      fix: `Give seconds, ${longest} at most.`,
      exitCode: 2,
    });
  if (values.json && values.output !== undefined)
    throw new UserError("--json and --output contradict each other", {
      why: "With --json no file is written.",
      fix: "Leave out one of them.",
      exitCode: 2,
    });
  const report = await makeReport(connection, {
    ...{ limits: await limitsOf(values, context), seconds, logs: logsOf(context.backup) },
  });
  if (values.json) {
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    return 0;
  }
  for (const file of await writeReport(report, values.output ?? defaultFolder)) process.stdout.write(`${file}\n`);
  const { findings, server } = report.snapshot;
  const critical = findings.filter(({ severity }) => severity === "critical").length;
  say(`${server.database}: ${report.score} of 100 points; ${findings.length} findings, ${critical} critical`);
  return 0;
}

/**
 * Writes a report as a page and as JSON, named after the database and the time.
 * @returns the two files
 * @throws UserError when they cannot be written
 */
export async function writeReport(report: Report, folder: string): Promise<string[]> {
  const database = report.snapshot.server.database.replace(/[^\w-]/g, "_");
  const name = join(folder, `database_report_${database}_${report.takenAt.replace(/[-:]|\.\d+/g, "")}`);
  const runbooks = relative(folder, "runbooks").split(sep).map(encodeURIComponent).join("/");
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(`${name}.html`, page(report, runbooks));
    await writeFile(`${name}.json`, `${JSON.stringify(report, null, 2)}\n`);
  } catch (error) {
    throw new UserError(`the report cannot be written to ${folder}`, {
      why: `${messageOf(error)}.`,
      fix: "Name another folder with --output.",
    });
  }
  return [`${name}.html`, `${name}.json`];
}
