import { parseArgs } from "node:util";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { say } from "../terminal.ts";
import { advise } from "./advise.ts";
import { countedWorkload } from "./counted.ts";
import { historyFile } from "./history.ts";
import { migrationsOf, writeMigrations } from "./migrationFiles.ts";
import { adviceLines } from "./show.ts";
import { readWorkload } from "./workload.ts";

const [defaultSamples, defaultSeconds] = [200_000, 120];

const usage = `usage: toolkit advise [options]

Which indexes would serve the workload, and which are superfluous. Each is built on a copy of the tables (a sample of
their rows, on a server of its own on this machine), and the workload is measured with it and without it. The database
itself is only read.

The workload is what pg_stat_statements counts, or what an application recorded with recordWorkload.

  --workload FILE   a JSON object {"text", "values", "calls"} a line, instead of pg_stat_statements
  --samples N       rows of each table that are copied at most (${defaultSamples})
  --budget MB       size that the new indexes may have together (half of the tables' size)
  --seconds N       how long to search at most (${defaultSeconds})
  --write FOLDER    write the advice there as migrations, one change each, numbered after those that are there
  --json            print the advice as JSON

Exit code: 0 fine, 1 nothing of the workload could be measured, 2 wrong usage.`;

const options = {
  workload: { type: "string" },
  samples: { type: "string", default: String(defaultSamples) },
  budget: { type: "string" },
  seconds: { type: "string", default: String(defaultSeconds) },
  write: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/**
 * The command `advise`.
 * @returns the exit code
 * @throws UserError for wrong usage, or a workload of which nothing can be measured
 */
export async function command(argv: string[], connection: Connection): Promise<number> {
  const { values } = parseArgs({ args: argv, options });
  if (values.help) {
    say(usage);
    return 0;
  }
  const [samples, seconds] = [whole("--samples", values.samples, 100), whole("--seconds", values.seconds, 1)];
  const budget = values.budget === undefined ? undefined : whole("--budget", values.budget, 1) * 2 ** 20;
  const workload = values.workload
    ? await readWorkload(values.workload)
    : await withClient(connection, { applicationName: "advise", statementTimeout: 60_000 }, async (client) => {
        await client.query("set default_transaction_read_only = on");
        return countedWorkload(client);
      });
  const history = historyFile(connection);
  const advice = await advise(connection, workload, {
    ...{ samples, history, time: seconds * 1_000 },
    ...(budget === undefined ? {} : { budget }),
  });
  process.stdout.write(values.json ? `${JSON.stringify(advice, null, 2)}\n` : `${adviceLines(advice).join("\n")}\n`);
  if (values.write !== undefined)
    for (const file of await writeMigrations(values.write, migrationsOf(advice))) say(`wrote ${file}`);
  return 0;
}

function whole(option: string, value: string, least: number): number {
  if (/^\d{1,9}$/.test(value) && Number(value) >= least) return Number(value);
  throw new UserError(`${option} ${value} is not a whole number from ${least} on`, {
    fix: `Give one, such as ${option} ${least * 100}.`,
    exitCode: 2,
  });
}
