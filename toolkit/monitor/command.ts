import { parseArgs } from "node:util";
import type { Context } from "../cli.ts";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { say } from "../terminal.ts";
import { limitOptions, limitsOf, limitUsage } from "./limits.ts";
import { logsOf } from "./plans/logs.ts";
import type { Question } from "./question.ts";
import { allQuestions, onDemand, questions } from "./questions.ts";
import { answerLines, findingLines, thresholdLines } from "./show.ts";
import { snapshot } from "./snapshot.ts";
import { allThresholds, parseOverrides } from "./thresholds.ts";

const usage = `usage: toolkit check [QUESTION…] [options]

Asks the database how it is, and says what is wrong, why, and what to do. It only reads, in a moment, and locks nothing.

${listOf(questions)}

Asked by name only, for it reads the end of the server's log:

${listOf(onDemand)}

${limitUsage}
  --list                   every threshold with its value, its reason and its source
  --json                   print the snapshot as JSON

Limits come from --threshold, then --thresholds, then the stack's database:thresholds, then the table that --list shows.

Exit code: 0 nothing is critical, 1 something is, 2 wrong usage.`;

function listOf(some: readonly Question[]): string {
  return some.map(({ name, title }) => `  ${name.padEnd(13)} ${title}`).join("\n");
}

const options = {
  ...limitOptions,
  list: { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

const parse = (argv: string[]) => parseArgs({ args: argv, options, allowPositionals: true });

/** Whether a call will talk to a database: the list does not, and a mistake should not have to find one first. */
export async function needsDatabase(argv: string[]): Promise<boolean> {
  const { values, positionals } = parse(argv);
  chosen(positionals);
  parseOverrides(values.threshold);
  return !values.list;
}

/**
 * The command `check`.
 * @returns the exit code
 * @throws UserError (exit code 2) for a question or a threshold that there is not
 */
export async function command(argv: string[], connection: Connection, context: Context): Promise<number> {
  const { values, positionals } = parse(argv);
  if (values.help) {
    say(usage);
    return 0;
  }
  const asked = chosen(positionals, values.list ? allQuestions : questions);
  const limits = await limitsOf(values, context);
  if (values.list) {
    const listed = allThresholds(asked).map((one) => ({ ...one, value: limits[one.name] ?? one.value }));
    print(values.json ? [JSON.stringify(listed, null, 2)] : thresholdLines(listed));
    return 0;
  }
  const taken = await withClient(connection, { applicationName: "check" }, (client) =>
    snapshot(client, { limits, ask: asked, logs: logsOf(context.backup) }),
  );
  const critical = taken.findings.some(({ severity }) => severity === "critical");
  if (values.json) print([JSON.stringify(taken, null, 2)]);
  else {
    print([...answerLines(taken, asked), ...findingLines(taken.findings)]);
    const { version, database, role } = taken.server;
    say(
      `${database}, a ${role} with PostgreSQL ${version}: ${taken.findings.length} findings in ${taken.milliseconds} ms`,
    );
  }
  return critical ? 1 : 0;
}

function print(lines: string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}

function chosen(names: string[], otherwise = questions): Question[] {
  if (names.length === 0) return otherwise;
  const unknown = names.filter((name) => !allQuestions.some((question) => question.name === name));
  if (unknown.length > 0)
    throw new UserError(`there is no question ${unknown.join(", ")}`, {
      fix: `Use some of ${allQuestions.map(({ name }) => name).join(", ")}.`,
      exitCode: 2,
    });
  return allQuestions.filter(({ name }) => names.includes(name));
}
