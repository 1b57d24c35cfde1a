import { parseArgs } from "node:util";
import type { Context } from "../cli.ts";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { checkOverrides } from "../monitor/thresholds.ts";
import { say, style } from "../terminal.ts";
import { type Forecast, forecast } from "./capacity.ts";
import { amount, when } from "./show.ts";
import { day, parseDuration } from "./times.ts";

const usage = `usage: toolkit forecast [--since 90d] [--within 14d] [--disk SIZE] [--json]

When the disk, the connections, the transaction ids and the sequences run out, as \`toolkit record\` has seen them grow:
between two dates, in 95 of 100 cases. It says so where there is too little history (less than two days), or where a
swing of the day or the week was not seen three times yet, and foretells no more than five times what it has seen.

  --since TIME    the history that counts (90d)
  --within TIME   what may run out so soon fails (14d)
  --disk SIZE     the size of the disk, as 100GB, which SQL cannot see; otherwise database:thresholds' sizes.diskBytes
  --json          print it as JSON

Exit code: 0 fine, 1 something may run out within that time, or nothing was recorded yet, 2 wrong usage.`;

const options = {
  since: { type: "string", default: "90d" },
  within: { type: "string", default: "14d" },
  disk: { type: "string" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h" },
} as const;

/**
 * The command `forecast`.
 * @returns the exit code
 * @throws UserError with exit code 2 for wrong usage, 1 where nothing was recorded
 */
export async function command(argv: string[], connection: Connection, context: Context): Promise<number> {
  const { values } = parseArgs({ args: argv, options });
  if (values.help) {
    say(usage);
    return 0;
  }
  const since = Date.now() - parseDuration("since", values.since);
  const within = parseDuration("within", values.within) / day;
  const configured = checkOverrides(context.thresholds ?? {}, "database:thresholds")["sizes.diskBytes"];
  const diskBytes = values.disk === undefined ? configured : parseSize(values.disk);
  const forecasts = await withClient(connection, { applicationName: "forecast" }, (client) =>
    forecast(client, { since, diskBytes }),
  );
  if (values.json) process.stdout.write(`${JSON.stringify(forecasts, null, 2)}\n`);
  else for (const line of forecasts.flatMap((one) => lines(one, within))) process.stdout.write(`${line}\n`);
  return forecasts.some((one) => isNear(one, within)) ? 1 : 0;
}

const isNear = ({ earliestDays }: Forecast, within: number) => earliestDays !== null && earliestDays <= within;

function lines(one: Forecast, within: number): string[] {
  const name = one.object ? `${one.resource} of ${one.object}` : one.resource;
  const near = isNear(one, within);
  return [
    near ? style("red", `${name}: ${sentence(one)}`) : `${name}: ${sentence(one)}`,
    ...(near ? [`  why: ${one.what}`, `  fix: ${one.fix}`] : []),
  ];
}

/** What is foretold of a resource, as a sentence. */
export function sentence(one: Forecast): string {
  const { unit, historyDays, swing } = one;
  const now = `${amount(one.value, unit)} now${one.limit === null ? "" : ` of ${amount(one.limit, unit)}`}`;
  const seen = `in ${historyDays.toFixed(1)} days`;
  const growth = `${amount(one.perDay ?? 0, unit)} a day ${seen} (${amount(one.perDayLow ?? 0, unit)} to ${amount(one.perDayHigh ?? 0, unit)})`;
  const peak = swing ? ` at the peak of the ${swing}` : "";
  if (one.state === "too little history")
    return `${now}; too little history to foretell from: ${historyDays.toFixed(1)} days, and it takes two.`;
  if (one.state === "seasonal")
    return `${now}; it swings by the ${swing}, which has to be seen three times before its growth can be told.`;
  if (one.state === "reached") return `${now}: it has run out.`;
  if (one.limit === null) return `${now}, ${growth}; how much there is, is not known: add --disk.`;
  if (one.state === "distant") return `${now}, ${growth}; it does not run out within five times that time.`;
  if (one.state === "steady") {
    const earliest = one.earliest ? `; by chance alone it may run out from ${when(one.earliest)} on` : "";
    return `${now}, and no growth that can be told from chance ${seen}${earliest}.`;
  }
  const latest = one.latest ? `and ${when(one.latest)}` : "and a time too far to tell";
  const likely = one.at ? `, most likely ${when(one.at)}` : "";
  return `${now}, ${growth}; it runs out${peak} between ${when(one.earliest!)} ${latest}${likely}.`;
}

const sizes: Record<string, number> = { MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 };

function parseSize(text: string): number {
  const [, number, unit] = /^([1-9]\d{0,5}) ?([MGT]B)$/.exec(text) ?? [];
  if (number && unit) return Number(number) * sizes[unit]!;
  throw new UserError(`--disk ${text} is not a size`, { fix: "Write it as 100GB.", exitCode: 2 });
}
