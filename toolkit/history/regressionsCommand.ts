import { parseArgs } from "node:util";
import { type Connection, withClient } from "../connection.ts";
import { things } from "../monitor/texts.ts";
import { count, say, style } from "../terminal.ts";
import { type Comparison, findRegressions, nameOf, type Regression, rules } from "./regressions.ts";
import { parseDuration } from "./times.ts";

const usage = `usage: toolkit regressions [--since 7d] [--json]

Statements that are slower since a deploy: the mean time of a call, record by record, of the day before it and of the
day after, or up to the next one, compared by the ranks of Mann and Whitney. It takes pg_stat_statements, and a
\`toolkit record\` that runs.

${Object.entries(rules)
  .map(([name, { value, why }]) => `  ${name.padEnd(12)} ${String(value).padEnd(5)} ${why}`)
  .join("\n")}

  --since TIME   deploys since then, as 12h, 7d, 4w (7d)
  --json         print them as JSON

Exit code: 0 none is slower, 1 some are, or nothing was recorded yet, 2 wrong usage.`;

const options = {
  since: { type: "string", default: "7d" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h" },
} as const;

/**
 * The command `regressions`.
 * @returns the exit code
 * @throws UserError with exit code 2 for wrong usage, 1 where nothing was recorded
 */
export async function command(argv: string[], connection: Connection): Promise<number> {
  const { values } = parseArgs({ args: argv, options });
  if (values.help) {
    say(usage);
    return 0;
  }
  const since = Date.now() - parseDuration("since", values.since);
  const found = await withClient(connection, { applicationName: "regressions" }, (client) =>
    findRegressions(client, since),
  );
  if (values.json) process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
  else {
    for (const line of found.regressions.flatMap(lines)) process.stdout.write(`${line}\n`);
    say(summary(found));
  }
  return found.regressions.length > 0 ? 1 : 0;
}

function summary({ deploys, compared, regressions }: Comparison): string {
  if (deploys.length === 0) return "there was no deploy in that time";
  if (compared === 0)
    return `${things(deploys.length, "deploy")}, and no statement with enough calls before and after one`;
  return `${things(deploys.length, "deploy")}, ${things(compared, "statement")} compared, ${count(regressions.length)} slower`;
}

/** A statement that is slower, as lines. */
export function lines({ deploy, queryIds, query, ...one }: Regression): string[] {
  const [before, after] = [one.before, one.after].map((time) => `${time.toPrecision(3)} ms`);
  return [
    `${style("yellow", "slower")}  since ${nameOf(deploy)}: ${after} a call, ${one.times.toFixed(1)} times the ${before} before: ${query}`,
    `  why: ${things(one.callsBefore, "call")} before, ${things(one.callsAfter, "call")} after; together they lost ${one.lostSeconds.toFixed(1)} s. By chance once in ${count(Math.min(1 / one.chance, 1e9))} times.`,
    `  fix: explain (analyze, buffers) it; where the deploy is to blame, \`toolkit rollback\`. Its queryid: ${queryIds.join(", ")}.`,
  ];
}
