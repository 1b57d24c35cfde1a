import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import type { Connection } from "../connection.ts";
import { messageOf, UserError } from "../errors.ts";
import { say } from "../terminal.ts";
import { readBaseline } from "./baseline.ts";
import { checks, type PerformanceResult, testPerformance } from "./run.ts";
import { resultLines } from "./show.ts";

const [defaultDuration, defaultConnections] = [20, 8];

const usage = `usage: toolkit test performance [options]

Tests the performance of a database, changing nothing: it only reads, and no statement takes longer than ten seconds.
Behind PgBouncer or another pooler it leaves nothing in its sessions: every query is a transaction of its own.

${checks.map(({ name, title, needsQueries }) => `  ${name.padEnd(11)} ${title}${needsQueries ? "" : " *"}`).join("\n")}

  * also where the database has no tables of the application

  --duration S      seconds of load, about (${defaultDuration})
  --connections N   the most connections that the load uses, never more than half of those left (${defaultConnections})
  --baseline FILE   compare with what an earlier run saved; slower beyond the noise of both is a failure
  --save FILE       where to save the result (db_reports/performance_test_<time>.json)
  --no-save         save nothing
  --json            print the result as JSON

Exit code: 0 nothing failed, 1 a check failed, 2 wrong usage.`;

const options = {
  duration: { type: "string", default: String(defaultDuration) },
  connections: { type: "string", default: String(defaultConnections) },
  baseline: { type: "string" },
  save: { type: "string" },
  "no-save": { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/**
 * The command `test`.
 * @returns the exit code: 1 when a check failed
 * @throws UserError with exit code 2 for wrong usage, or a baseline that is none
 */
export async function command(argv: string[], connection: Connection): Promise<number> {
  const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true });
  if (values.help) {
    say(usage);
    return 0;
  }
  if (positionals.join(" ") !== "performance")
    throw new UserError(positionals.length > 0 ? `there is no test "${positionals.join(" ")}"` : "no test is named", {
      fix: "Use: toolkit test performance.",
      exitCode: 2,
    });
  if (values.save !== undefined && values["no-save"])
    throw new UserError("--save and --no-save contradict each other", { fix: "Leave out one of them.", exitCode: 2 });
  const [duration, connections] = [
    whole("--duration", values.duration, 3_600),
    whole("--connections", values.connections, 500),
  ];
  const baseline = values.baseline === undefined ? undefined : await readBaseline(values.baseline);
  const result = await testPerformance(connection, { duration, connections, baseline, say });
  process.stdout.write(values.json ? `${JSON.stringify(result, null, 2)}\n` : `${resultLines(result).join("\n")}\n`);
  if (!values["no-save"]) await save(values.save ?? defaultPath(result), result);
  const failed = result.checks.filter(({ verdict }) => verdict === "failed").map(({ name }) => name);
  say(failed.length > 0 ? `failed: ${failed.join(", ")}` : "nothing failed");
  return result.passed ? 0 : 1;
}

function whole(option: string, value: string, most: number): number {
  if (/^[1-9]\d{0,5}$/.test(value) && Number(value) <= most) return Number(value);
  throw new UserError(`${option} ${value} is not accepted`, {
    fix: `Give a whole number from 1 to ${most}.`,
    exitCode: 2,
  });
}

function defaultPath({ takenAt }: PerformanceResult): string {
  return join("db_reports", `performance_test_${takenAt.replace(/[-:]|\.\d+/g, "")}.json`);
}

async function save(path: string, result: PerformanceResult): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `${JSON.stringify(result, null, 2)}\n`);
  } catch (error) {
    throw new UserError(`the result cannot be saved as ${path}`, {
      why: `${messageOf(error)}.`,
      fix: "Name another file with --save, or save none with --no-save.",
    });
  }
  say(`saved as ${path}`);
}
