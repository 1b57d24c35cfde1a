import { parseArgs } from "node:util";
import type { Context } from "../cli.ts";
import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import { placeOf } from "../metrics/place.ts";
import { checkOverrides } from "../monitor/thresholds.ts";
import { say } from "../terminal.ts";
import { toldCloudWatch } from "./cloudwatch.ts";
import { chooseTasks, maintain } from "./maintain.ts";
import { reportLines, saveReport, summaryLine } from "./report.ts";
import { tasks } from "./tasks.ts";

const usage = `usage: toolkit maintain [options]

Does what the database needs, in order of need, and no more. Safe to run daily and while the application works: it waits
for no lock longer than a second, and as soon as another session waits for it, it gives way and tries once more at the end.

${tasks.map(({ name, title, decides }) => `  ${name.padEnd(11)} ${title}: by ${decides}`).join("\n")}

  --dry-run               only tell what would be done, why, in which order, and how much it reads at most
  --budget TIME           how long it may take, as 45s, 30min (the default), 2h; then what runs is cancelled
  --io RATE               how much vacuum and analyze may write per second, as 40MB (the default)
  --only TASK,…           some of the tasks
  --pack-older-than AGE   pack prices of that age, as '2 years'
  --backup-count N        remove backups beyond the N newest
  --backup-days N         remove backups older than N days, but never the newest; without both, those that \`up\` would
  --archive DIR           where expired partitions are archived (.local/archive)
  --without-archive       leave alone what would be archived, on a machine whose disk does not last
  --cloudwatch NAMESPACE  tell CloudWatch how many steps failed: 0 shows that it ran, and its lack that it did not
  --region REGION         of CloudWatch
  --reports DIR           where the report maintenance_<time>.json goes (db_reports)
  --json                  print the report on stdout as JSON

Ctrl-C ends it after the step that is being done; a second one ends that step too.
Exit code: 0 fine, 1 a step failed, 2 wrong usage, 130 interrupted.`;

const options = {
  "dry-run": { type: "boolean", default: false },
  budget: { type: "string", default: "30min" },
  io: { type: "string", default: "40MB" },
  only: { type: "string" },
  "pack-older-than": { type: "string" },
  "backup-count": { type: "string" },
  "backup-days": { type: "string" },
  archive: { type: "string" },
  "without-archive": { type: "boolean", default: false },
  cloudwatch: { type: "string" },
  region: { type: "string" },
  reports: { type: "string", default: "db_reports" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

const unlimited = 1_000_000;
const signals = ["SIGINT", "SIGTERM"] as const;

/** Always, once the arguments are known to be right: a mistake should not have to find a database first. */
export async function needsDatabase(argv: string[]): Promise<boolean> {
  parse(argv);
  return true;
}

/**
 * The command `maintain`.
 * @returns the exit code
 * @throws UserError with exit code 2 for wrong usage, 1 when another run is at work
 */
export async function command(argv: string[], connection: Connection, context: Context): Promise<number> {
  const { help, json, reports, place, ...chosen } = parse(argv);
  if (help) {
    say(usage);
    return 0;
  }
  const stop = { soon: false, now: false };
  const interrupt = () => {
    stop.now = stop.soon;
    stop.soon = true;
    say(stop.now ? "ending the step" : "ending after this step; once more ends the step, too");
  };
  for (const signal of signals) process.on(signal, interrupt);
  try {
    const { backup, keptBackups, thresholds = {} } = context;
    const limits = checkOverrides(thresholds, "database:thresholds");
    const kept = chosen.kept ?? keptBackups;
    const work = () => maintain(connection, { ...chosen, kept, backup, limits, stop, say });
    const report = await (place && !chosen.dryRun ? toldCloudWatch(connection, place, say, work) : work());
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : lines(reportLines(report)));
    if (!report.dryRun) say(`saved as ${await saveReport(reports, "maintenance", report, report)}`);
    say(summaryLine(report));
    if (report.interrupted) return 130;
    return report.steps.some(({ result }) => result === "failed") ? 1 : 0;
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}

const lines = (texts: string[]) => texts.map((text) => `${text}\n`).join("");

function parse(argv: string[]) {
  const { values } = parseArgs({ args: argv, options });
  const only = values.only?.split(",").map((name) => name.trim());
  chooseTasks(only);
  if (values.archive !== undefined && values["without-archive"])
    throw new UserError("--archive and --without-archive contradict each other", { fix: "Choose one.", exitCode: 2 });
  const count = whole("--backup-count", values["backup-count"]);
  const days = whole("--backup-days", values["backup-days"]);
  return {
    ...{ help: values.help, json: values.json, reports: values.reports, dryRun: values["dry-run"] },
    ...(only ? { only } : {}),
    budget: duration(values.budget),
    writeRate: rate(values.io),
    packOlderThan: values["pack-older-than"],
    archive: values["without-archive"] ? (false as const) : values.archive,
    // What is not limited at all, where only one of the two is given.
    kept: count || days ? { count: count ?? unlimited, days: days ?? unlimited } : undefined,
    place: placeOf(values),
  };
}

const units: Record<string, number> = { s: 1_000, min: 60_000, h: 3_600_000 };

/** @returns milliseconds */
function duration(text: string): number {
  const [, amount, unit] = /^([1-9]\d{0,4}) ?(s|min|h)$/.exec(text) ?? [];
  if (amount && unit) return Number(amount) * units[unit]!;
  throw new UserError(`--budget ${text} is no time`, { fix: "Write it as 45s, 30min or 2h.", exitCode: 2 });
}

/** @returns bytes */
function rate(text: string): number {
  const [, amount] = /^([1-9]\d{0,3}) ?MB$/.exec(text) ?? [];
  if (amount) return Number(amount) * 1_000_000;
  throw new UserError(`--io ${text} is no rate`, { fix: "Write megabytes per second, as 40MB.", exitCode: 2 });
}

function whole(option: string, text: string | undefined): number | undefined {
  if (text === undefined || /^[1-9]\d{0,5}$/.test(text)) return text === undefined ? undefined : Number(text);
  throw new UserError(`${option} ${text} is not a number from 1 on`, { fix: "Give a whole number.", exitCode: 2 });
}
