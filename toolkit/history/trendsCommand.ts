import { parseArgs } from "node:util";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { say } from "../terminal.ts";
import { metrics } from "./metrics.ts";
import { amount, sparkline, tableOf } from "./show.ts";
import { parseDuration } from "./times.ts";
import { readTrends, type Trend } from "./trends.ts";

const usage = `usage: toolkit trends [METRIC…] [--object NAME] [--since 7d] [--json]

How the numbers went that \`toolkit record\` keeps. Without a metric, those of the whole server. A counter is shown as
what it counted in a second.

${Object.entries(metrics)
  .map(([name, { unit, counter, what }]) => `  ${name.padEnd(27)} ${what} (${counter ? `${unit}/s` : unit})`)
  .join("\n")}

  --object NAME   one table (with its schema), statement, sequence or database
  --since TIME    as 12h, 7d, 4w (7d)
  --json          print them with every point as JSON

Exit code: 0 fine, 1 nothing was recorded yet, 2 wrong usage.`;

const options = {
  object: { type: "string" },
  since: { type: "string", default: "7d" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h" },
} as const;

/**
 * The command `trends`.
 * @returns the exit code
 * @throws UserError with exit code 2 for a metric that there is not
 */
export async function command(argv: string[], connection: Connection): Promise<number> {
  const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true });
  if (values.help) {
    say(usage);
    return 0;
  }
  const unknown = positionals.filter((name) => !Object.hasOwn(metrics, name));
  if (unknown.length > 0)
    throw new UserError(`there is no metric ${unknown.join(", ")}`, {
      fix: "`toolkit trends --help` lists them.",
      exitCode: 2,
    });
  const since = Date.now() - parseDuration("since", values.since);
  const trends = await withClient(connection, { applicationName: "trends" }, (client) =>
    readTrends(client, { metrics: positionals, object: values.object, since }),
  );
  if (values.json) process.stdout.write(`${JSON.stringify(trends, null, 2)}\n`);
  else if (trends.length === 0) say(`nothing of it was recorded in ${values.since}`);
  else process.stdout.write(`${tableOf([head, ...trends.map(cells)]).join("\n")}\n`);
  return 0;
}

const head = ["metric", "object", "first", "last", "least", "most", "a day", "course"];
const widestObject = 50;

function cells({ metric, object, label, unit, first, last, least, most, perDay, points }: Trend): string[] {
  const numbers = [first, last, least, most].map((value) => amount(value, unit));
  const growth = perDay === null ? "" : `${perDay > 0 ? "+" : ""}${amount(perDay, unit)}`;
  const course = sparkline(points.map(({ value }) => value));
  return [metric, (label ? `${object} ${label}` : object).slice(0, widestObject), ...numbers, growth, course];
}
