import { parseArgs } from "node:util";
import { type Connection, withClient } from "../connection.ts";
import { say } from "../terminal.ts";
import { answerQuestions, questions } from "./questions.ts";

const usage = `usage: toolkit analysis [--json]

Answers three questions on the prices in the database:
${questions.map(({ question }) => `  - ${question}`).join("\n")}

  --json   print questions and answers as JSON

Exit code: 0 the questions were asked, 1 there are no prices, 2 wrong usage.`;

const options = { json: { type: "boolean" }, help: { type: "boolean", short: "h" } } as const;

/**
 * The command `analysis`.
 * @returns the exit code
 * @throws UserError when the database holds no prices
 */
export async function command(argv: string[], connection: Connection): Promise<number> {
  const { values } = parseArgs({ args: argv, options });
  if (values.help) {
    say(usage);
    return 0;
  }
  const answers = await withClient(connection, { applicationName: "analysis" }, answerQuestions);
  const text = values.json
    ? JSON.stringify(answers, null, 2)
    : answers.map(({ question, answer }) => `${question}\n  ${answer}`).join("\n");
  process.stdout.write(`${text}\n`);
  return 0;
}
