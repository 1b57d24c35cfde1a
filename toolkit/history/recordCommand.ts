import { parseArgs } from "node:util";
import type { Context } from "../cli.ts";
import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import { checkOverrides } from "../monitor/thresholds.ts";
import { count, say } from "../terminal.ts";
import type { Recorded } from "./record.ts";
import { keepRecording, recordOnce } from "./recorder.ts";
import { tiers } from "./tiers.ts";
import { parseDuration } from "./times.ts";

const usage = `usage: toolkit record [--interval 15s] [--once] [--json]

Keeps the numbers of \`toolkit check\` in the schema monitoring of the database: those of the server at every interval,
those of each table and statement once a minute. It makes its partitions ahead, makes coarser numbers of old ones, and
removes what is older than the table monitoring.policy says:

${tiers.map(({ table, step, keep }) => `  ${table.padEnd(16)}  ${(step ? `every ${step}` : "as recorded").padEnd(15)}  kept for ${keep}`).join("\n")}

\`update monitoring.policy set keep = '90 days' where tier = 'sample_5_minutes';\` keeps them longer. It runs until it is
ended, and outlives restarts of the server. Read what it has kept by trends, forecast and regressions.

  --interval TIME   between two snapshots, from 1s to 5m (15s)
  --once            one snapshot, with everything: for cron
  --json            print every record as a line of JSON

Exit code: 0 fine, 1 it could not be recorded, 2 wrong usage, 130 interrupted.`;

const options = {
  interval: { type: "string" },
  once: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h" },
} as const;

const [defaultInterval, shortest, longest] = ["15s", 1_000, 5 * 60_000];

/**
 * The command `record`.
 * @returns the exit code
 * @throws UserError with exit code 2 for wrong usage, 1 when nothing can be recorded
 */
export async function command(argv: string[], connection: Connection, context: Context): Promise<number> {
  const { values } = parseArgs({ args: argv, options });
  if (values.help) {
    say(usage);
    return 0;
  }
  if (values.once && values.interval)
    throw new UserError("--once and --interval do not go together", { fix: "Choose one.", exitCode: 2 });
  const interval = parseDuration("interval", values.interval ?? defaultInterval);
  if (interval < shortest || interval > longest)
    throw new UserError(`--interval ${values.interval} is not from 1s to 5m`, {
      why: "Numbers that are made coarser to five minutes need at least one in them.",
      fix: "For rarer ones, call --once from cron.",
      exitCode: 2,
    });
  const limits = checkOverrides(context.thresholds ?? {}, "database:thresholds");
  const recorded = (record: Recorded) => {
    if (values.json) process.stdout.write(`${JSON.stringify(record)}\n`);
    else if (values.once) say(`recorded ${count(record.numbers)} numbers in ${record.milliseconds} ms`);
  };
  if (values.once) {
    recorded(await recordOnce(connection, limits));
    return 0;
  }
  return untilEnded(async (signal) => {
    say(`recording every ${interval / 1000} s; Ctrl-C ends it`);
    await keepRecording(connection, { interval, limits, signal, recorded, say });
  });
}

/** SIGTERM, as of a service manager, is a good end; Ctrl-C is an interruption. */
async function untilEnded(work: (signal: AbortSignal) => Promise<void>): Promise<number> {
  const stop = new AbortController();
  let code = 0;
  const interrupt = () => {
    code = 130;
    stop.abort();
  };
  const terminate = () => stop.abort();
  process.on("SIGINT", interrupt).on("SIGTERM", terminate);
  try {
    await work(stop.signal);
    return code;
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", terminate);
  }
}
