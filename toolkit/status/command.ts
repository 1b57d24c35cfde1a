import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Context } from "../cli.ts";
import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import { limitOptions, limitsOf, limitUsage } from "../monitor/limits.ts";
import { say } from "../terminal.ts";
import { render } from "./lines.ts";
import { showLive } from "./live.ts";
import { ratesBetween } from "./rates.ts";
import { Sampler } from "./sampler.ts";
import { type Seen, view } from "./view.ts";

const defaultInterval = 2;
const [shortest, longest] = [0.1, 3600];

const usage = `usage: toolkit status [options]

Shows how the database is, on the terminal, until q or Ctrl-C: what it does, what is wrong with the runbook for it, the
statements that run with what they wait for, who holds up whom, and the health of its tables. It only reads. Where
there is no terminal, it is shown once.

  --once                   show it once, line by line; rates are those of one interval
  --interval S             seconds between two looks (${defaultInterval})
  --json                   print it once, as JSON
${limitUsage}

Exit code: 0 fine, 1 the database cannot be reached, 2 wrong usage, 130 interrupted.`;

const options = {
  once: { type: "boolean" },
  interval: { type: "string", default: String(defaultInterval) },
  json: { type: "boolean" },
  ...limitOptions,
  help: { type: "boolean", short: "h" },
} as const;

/**
 * The command `status`.
 * @returns the exit code
 * @throws UserError when the database cannot be reached, or (exit code 2) for wrong usage
 */
export async function command(argv: string[], connection: Connection, context: Context): Promise<number> {
  const { values } = parseArgs({ args: argv, options });
  if (values.help) {
    say(usage);
    return 0;
  }
  const interval = Number(values.interval);
  if (!(interval >= shortest && interval <= longest))
    throw new UserError(`--interval ${values.interval} is not accepted`, {
      fix: `Give seconds from ${shortest} to ${longest}.`,
      exitCode: 2,
    });
  const sampler = new Sampler(connection, await limitsOf(values, context), "status");
  try {
    const terminal = process.stdin.isTTY && process.stdout.isTTY && process.env.TERM !== "dumb";
    if (terminal && !values.once && !values.json) return await showLive(sampler, interval);
    const seen = await lookTwice(sampler, interval);
    if (values.json) process.stdout.write(`${JSON.stringify({ ...seen.taken, rates: seen.rates ?? null }, null, 2)}\n`);
    else process.stdout.write(`${textOf(seen).join("\n")}\n`);
    return 0;
  } finally {
    sampler.close();
  }
}

async function lookTwice(sampler: Sampler, interval: number): Promise<Seen> {
  const before = await sampler.sample();
  await wait(interval * 1000);
  const taken = await sampler.sample();
  return { taken, rates: ratesBetween(before, taken) };
}

/** All of it, as wide as the terminal, or as it comes where there is none. */
function textOf(seen: Seen): string[] {
  const columns = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
  return view(seen, Number.POSITIVE_INFINITY, columns).map((line) => render(line, columns, process.stdout).trimEnd());
}
