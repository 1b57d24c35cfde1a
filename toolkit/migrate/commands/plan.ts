import { parseArgs } from "node:util";
import { type Connection, withClient } from "../../connection.ts";
import { messageOf, UserError } from "../../errors.ts";
import { say } from "../../terminal.ts";
import { type Assessment, type AssessOptions, assess, blockingHazards } from "../assess.ts";
import { type MigrationFile, readMigrations } from "../files.ts";
import { makePlan, outOfOrder, readSituation, statementProblems } from "../plan.ts";
import { planMarkdown } from "./planMarkdown.ts";
import { planText } from "./planText.ts";

const usage = `usage: toolkit plan [options]

What is pending, before anything is touched: the SQL, its hazards, the locks it takes on an empty copy of the schema,
how much it touches, and whether it can be undone. Only reads.

  --from NAME      what comes after the migration NAME, whatever a database says; works without one
  --all            every migration, as on an empty database; works without one
  --directory DIR  the folder of migrations (migrations)
  --no-locks       do not run the statements on a copy: the locks are not known then
  --json           print the plan on stdout as JSON
  --markdown       print it as Markdown, for a comment on a pull request

Without a database no table's size is known, and a hazard that hangs on it blocks.
Exit code: 0 nothing blocks, 1 something does, 2 wrong usage.`;

const options = {
  from: { type: "string" },
  all: { type: "boolean" },
  directory: { type: "string", default: "migrations" },
  "no-locks": { type: "boolean" },
  json: { type: "boolean" },
  markdown: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = ReturnType<typeof parse>;

const parse = (argv: string[]) => parseArgs({ args: argv, options }).values;

// A plan must not hang on a server that is away, nor on a lock: seconds are enough to read a catalog.
const reading = { applicationName: "postgres-from-code plan", connectTimeout: 5_000, statementTimeout: 15_000 };

/** A plan relative to a named migration takes the sizes of a database only where one is named. */
export async function needsDatabase(argv: string[]): Promise<boolean> {
  const { from, all } = parse(argv);
  return !(from !== undefined || all) || Boolean(process.env.DATABASE_URL);
}

/**
 * The command `plan`.
 * @returns the exit code: 0 nothing blocks, 1 a hazard does
 * @throws UserError with exit code 2 for wrong usage; with 1 where the migrations or the database cannot be read
 */
export async function command(argv: string[], connection: Connection): Promise<number> {
  const values = parse(argv);
  if (values.help) {
    say(usage);
    return 0;
  }
  refuseBoth(values, "json", "markdown");
  refuseBoth(values, "from", "all");
  const files = await readMigrations(values.directory);
  const assessment = await planFor(values, files, connection);
  if (values.json) process.stdout.write(`${JSON.stringify(assessment, null, 2)}\n`);
  else process.stdout.write((values.markdown ? planMarkdown : planText)(assessment, files.length));
  return blockingHazards(assessment).length > 0 ? 1 : 0;
}

async function planFor(values: Values, files: MigrationFile[], connection: Connection): Promise<Assessment> {
  const assessing: AssessOptions = { locks: !values["no-locks"] };
  const after = positionAfter(values, files);
  if (after === undefined) return planAgainst(values.directory, files, connection, assessing);
  const pending = files.slice(after);
  refuse(await statementProblems(files, pending));
  const applied = files.slice(0, after).map(({ name }) => name);
  const live = (client?: Parameters<Parameters<typeof withClient>[2]>[0]) =>
    // On a database that is still empty, what every migration touches is new.
    assess(client && after > 0 ? { client } : {}, files, pending, { ...assessing, applied });
  if (!connection.host) return live();
  try {
    return await withClient(connection, reading, async (client) => {
      await client.query("set default_transaction_read_only to on");
      return live(client);
    });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    say(`going on without a look into the database: ${messageOf(error).split("\n")[0]}`);
    return live();
  }
}

function planAgainst(
  directory: string,
  files: MigrationFile[],
  connection: Connection,
  assessing: AssessOptions,
): Promise<Assessment> {
  return withClient(connection, reading, async (client) => {
    await client.query("set default_transaction_read_only to on");
    const situation = await readSituation(client);
    const { pending, problems } = makePlan(directory, files, situation);
    // A plan is not `up`: drift is worth a warning, and only what cannot be planned stops it.
    for (const text of [...problems, ...outOfOrder(files, pending)]) say(`warning: ${text}`);
    refuse(await statementProblems(files, pending));
    return assess({ client, situation }, files, pending, assessing);
  }).catch((error) => {
    if (!messageOf(error).startsWith("cannot connect")) throw error;
    throw new UserError(messageOf(error).split("\n")[0]!, {
      why: messageOf(error.cause ?? error).split("\n")[0]!,
      fix: "Start the server; or plan without it: --from NAME, the last applied migration, or --all.",
      cause: error,
    });
  });
}

/** How many migrations count as applied, where the arguments say so. */
function positionAfter({ from, all, directory }: Values, files: readonly MigrationFile[]): number | undefined {
  if (all) return 0;
  if (from === undefined) return undefined;
  const index = files.findIndex(({ name }) => name === from);
  if (index >= 0) return index + 1;
  throw new UserError(`there is no migration ${from}`, { fix: `Use the name of a file in ${directory}.`, exitCode: 2 });
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new UserError(problems.join("\n"));
}

function refuseBoth(values: Values, one: keyof Values, other: keyof Values): void {
  if (values[one] === undefined || values[other] === undefined) return;
  throw new UserError(`--${one} and --${other} exclude each other`, { fix: "Give one of them.", exitCode: 2 });
}
