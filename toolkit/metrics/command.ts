import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Context } from "../cli.ts";
import { type Connection, isLoopback } from "../connection.ts";
import { messageOf, UserError } from "../errors.ts";
import { limitOptions, limitsOf, limitUsage } from "../monitor/limits.ts";
import { Sampler } from "../status/sampler.ts";
import { say } from "../terminal.ts";
import { putMetrics } from "./cloudwatch.ts";
import { dashboard } from "./dashboard.ts";
import { type CloudWatchPlace, placeOf } from "./place.ts";
import { rulesYaml } from "./rules.ts";
import { parseAddress, scrape, serveMetrics } from "./server.ts";

const defaultAddress = "127.0.0.1:9187";
const [shortest, longest] = [1, 3600];

const usage = `usage: toolkit metrics [--listen HOST:PORT]
       toolkit metrics --once | --rules | --dashboard
       toolkit metrics --cloudwatch NAMESPACE --region REGION [--interval S]

Serves the database's figures to Prometheus on http://${defaultAddress}/metrics, until Ctrl-C. Each scrape asks the database:
it only reads, in a moment.

  --listen HOST:PORT       where to listen (${defaultAddress}, that of postgres_exporter; it asks for no password)
  --once                   print the metrics once
  --rules                  print alert rules for Prometheus, made of the thresholds of \`toolkit check\` and the stack
  --dashboard              print a dashboard for Grafana
  --cloudwatch NAMESPACE   send the most important figures to CloudWatch, once
  --region REGION          of CloudWatch
  --interval S             send again every S seconds, until Ctrl-C
${limitUsage}

Exit code: 0 fine, 1 the database does not answer, or CloudWatch does not take it, 2 wrong usage, 130 interrupted.`;

const options = {
  listen: { type: "string" },
  once: { type: "boolean" },
  rules: { type: "boolean" },
  dashboard: { type: "boolean" },
  cloudwatch: { type: "string" },
  region: { type: "string" },
  interval: { type: "string" },
  ...limitOptions,
  help: { type: "boolean", short: "h" },
} as const;

/** Rules and a dashboard do not talk to it, but are made of its stack's thresholds; a mistake need not find one first. */
export async function needsDatabase(argv: string[]): Promise<boolean> {
  await limitsOf(parse(argv).values, {});
  return true;
}

/**
 * The command `metrics`.
 * @returns the exit code
 * @throws UserError for wrong usage (exit code 2), an address that is taken, or a refusal by AWS
 */
export async function command(argv: string[], connection: Connection, context: Context): Promise<number> {
  const { values, place } = parse(argv);
  if (values.help) {
    say(usage);
    return 0;
  }
  const limits = await limitsOf(values, context);
  if (values.rules) return print(rulesYaml(limits));
  if (values.dashboard) return print(`${JSON.stringify(dashboard(limits), null, 2)}\n`);
  const sampler = new Sampler(connection, limits, "metrics");
  try {
    if (place) return await send(sampler, connection, place, values.interval);
    if (values.once) return await printOnce(sampler, connection.database);
    return await serve(sampler, connection.database, values.listen ?? defaultAddress);
  } finally {
    sampler.close();
  }
}

function parse(argv: string[]) {
  const { values } = parseArgs({ args: argv, options });
  const wrong = (what: string, fix: string) => new UserError(what, { fix, exitCode: 2 });
  const modes = (["listen", "once", "rules", "dashboard", "cloudwatch"] as const).filter((mode) => values[mode]);
  if (modes.length > 1)
    throw wrong(
      `${modes.map((mode) => `--${mode}`).join(" and ")} contradict each other`,
      "Leave out all but one of them.",
    );
  const place = placeOf(values);
  if (values.interval && !place) throw wrong("--interval means nothing without --cloudwatch", "Leave it out.");
  const interval = Number(values.interval ?? shortest);
  if (!(interval >= shortest && interval <= longest))
    throw wrong(`--interval ${values.interval} is not accepted`, `Give seconds from ${shortest} to ${longest}.`);
  if (values.listen !== undefined) parseAddress(values.listen);
  return { values, place };
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

async function printOnce(sampler: Sampler, database: string): Promise<number> {
  let answered = true;
  const { text } = await scrape(sampler, database, (line) => {
    answered = false;
    say(line);
  });
  print(text);
  return answered ? 0 : 1;
}

async function serve(sampler: Sampler, database: string, listen: string): Promise<number> {
  const address = parseAddress(listen);
  const interrupted = untilInterrupted();
  const server = await serveMetrics(address, () => scrape(sampler, database, say));
  const bound = server.address() as { port: number };
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  say(`metrics of ${database} on http://${host}:${bound.port}/metrics`);
  if (!isLoopback(address.host)) say("whoever reaches this address reads them: names of tables, and no rows");
  const code = await interrupted.code;
  server.close();
  server.closeAllConnections();
  return code;
}

async function send(
  sampler: Sampler,
  connection: Connection,
  place: CloudWatchPlace,
  interval: string | undefined,
): Promise<number> {
  const once = async () => {
    const sent = await putMetrics(await sampler.sample(), connection.host, place);
    say(`sent ${sent} metrics to ${place.namespace} in ${place.region}`);
  };
  if (interval === undefined) {
    await once();
    return 0;
  }
  const interrupted = untilInterrupted();
  for (;;) {
    // What fails now may work the next time: a gap in the figures is a sign by itself.
    await once().catch((error: unknown) => say(messageOf(error)));
    await wait(Number(interval) * 1000, undefined, { signal: interrupted.signal }).catch(() => {});
    if (interrupted.signal.aborted) return interrupted.code;
  }
}

/** Waits for Ctrl-C, or for the end that a supervisor asks for, which is no failure. */
function untilInterrupted(): { code: Promise<number>; signal: AbortSignal } {
  const controller = new AbortController();
  const code = new Promise<number>((end) => {
    for (const [signal, value] of [
      ["SIGINT", 130],
      ["SIGTERM", 0],
    ] as const)
      process.once(signal, () => {
        end(value);
        controller.abort();
      });
  });
  return { code, signal: controller.signal };
}
