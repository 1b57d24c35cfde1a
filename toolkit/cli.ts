import { pathToFileURL } from "node:url";
import type { BackupTarget } from "./backup/target.ts";
import type { Connection } from "./connection.ts";
import { connectionFromEnvironment, contextFromEnvironment } from "./environment.ts";
import { UserError } from "./errors.ts";
import { say } from "./terminal.ts";

/** What a command may need beside a connection. */
export interface Context {
  /** How the database is backed up. */
  backup: BackupTarget;
  /** How many backups stay, and after how many days they go anyway, as at each `up` of the stack. */
  keptBackups?: { count: number; days: number };
  /** Limits of `check` that the stack's configuration replaces, by name. */
  thresholds?: Record<string, number>;
}

/** One command: it gets its own arguments, a connection and its context, and returns the exit code. */
type Command = (argv: string[], connection: Connection, context: Context) => Promise<number>;

/** What the module of a command exports. */
interface CommandModule {
  command: Command;
  /** Whether these arguments ask for a database; all but --help do when left out. */
  needsDatabase?: (argv: string[]) => Promise<boolean>;
}

/** Every command, loaded only when it is called: a loader should not pay for a reporter. */
const commands: Record<string, { summary: string; load: () => Promise<CommandModule> }> = {
  load: { summary: "load prices from CSV files", load: () => import("./load/command.ts") },
  analysis: {
    summary: "answer an analyst's questions on the loaded prices",
    load: () => import("./analysis/command.ts"),
  },
  plan: {
    summary: "what is pending: its SQL, its hazards, the locks it really takes",
    load: () => import("./migrate/commands/plan.ts"),
  },
  history: {
    summary: "what was done to the schema, when and by whom",
    load: () => import("./migrate/commands/history.ts"),
  },
  rollback: { summary: "undo the last migrations", load: () => import("./migrate/commands/rollback.ts") },
  backups: { summary: "list, create, verify, restore and prune backups", load: () => import("./backup/command.ts") },
  partition: {
    summary: "convert a big plain table to monthly partitions while it is in use",
    load: () => import("./convert/command.ts"),
  },
  compress: { summary: "pack old prices, and unpack them", load: () => import("./compress/command.ts") },
  rds: {
    summary: "describe, restore, promote, upgrade, grow an RDS instance, and rotate its password",
    load: () => import("./rds/command.ts"),
  },
  partitions: {
    summary: "look after partitions: status, ensure, repair, retain, restore",
    load: () => import("./partitions/command.ts"),
  },
  check: {
    summary: "how the database is: what is wrong, why, and what to do",
    load: () => import("./monitor/command.ts"),
  },
  status: { summary: "watch the database on the terminal", load: () => import("./status/command.ts") },
  report: {
    summary: "how the database is, as one page with plots and as JSON",
    load: () => import("./report/command.ts"),
  },
  metrics: {
    summary: "metrics for Prometheus and CloudWatch, alert rules, a Grafana dashboard",
    load: () => import("./metrics/command.ts"),
  },
  record: { summary: "keep snapshots of the database's numbers", load: () => import("./history/recordCommand.ts") },
  trends: { summary: "how the recorded numbers went", load: () => import("./history/trendsCommand.ts") },
  forecast: {
    summary: "when the disk, the connections and the ids run out",
    load: () => import("./history/forecastCommand.ts"),
  },
  regressions: {
    summary: "statements that are slower since a deploy",
    load: () => import("./history/regressionsCommand.ts"),
  },
  query: { summary: "ask one of the application's queries", load: () => import("./queries/command.ts") },
  test: {
    summary: "test the performance of a database, changing nothing",
    load: () => import("./perf/command.ts"),
  },
  cache: {
    summary: "watch the tables of cached queries, so that caches hear of changes",
    load: () => import("./cache/command.ts"),
  },
  advise: {
    summary: "which indexes would serve the workload, proven on a copy",
    load: () => import("./advise/command.ts"),
  },
  tune: {
    summary: "recommend parameters and pool sizes, compare with the database, write the config",
    load: () => import("./tune/command.ts"),
  },
  maintain: {
    summary: "vacuum, analyze, rebuild, refresh, prune: what needs it, and no more",
    load: () => import("./maintain/command.ts"),
  },
  "apply-all": {
    summary: "the first run: checks, backup, migrations, analyze, validation, performance report",
    load: () => import("./applyAll/command.ts"),
  },
  runbook: { summary: "execute a runbook, step by step", load: () => import("./runbook/command.ts") },
};

// A command that only explains itself does not look at them.
const noDatabase = [{} as Connection, {} as Context] as const;

const usage = `usage: toolkit <command> [options]

${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(11)} ${summary}`)
  .join("\n")}

Each command explains itself with --help. The database is the one of DATABASE_URL, or of libpq's
PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE and PGSSLROOTCERT.`;

/**
 * Runs one command.
 * @param connect where the database is; asked only once the command is known to be right
 * @returns the exit code: 0 fine, 1 a check failed, 2 wrong usage
 */
export async function main(
  argv: string[],
  connect: (argv: string[]) => Promise<[Connection, Context]>,
): Promise<number> {
  const [name, ...rest] = argv;
  if (!name || name === "--help" || name === "-h") {
    say(usage);
    return name ? 0 : 2;
  }
  const found = Object.hasOwn(commands, name) ? commands[name] : undefined;
  try {
    if (!found)
      throw new UserError(`there is no command "${name}"`, {
        fix: `Use one of ${Object.keys(commands).join(", ")}.`,
        exitCode: 2,
      });
    const { command, needsDatabase } = await found.load();
    const asksForHelp = rest.includes("--help") || rest.includes("-h");
    const offline = asksForHelp || (await needsDatabase?.(rest)) === false;
    return await command(rest, ...(offline ? noDatabase : await connect(rest)));
  } catch (error) {
    return report(error);
  }
}

/** Prints an error as its reader needs it, and returns its exit code. */
export function report(error: unknown): number {
  if (error instanceof UserError) {
    say(`error: ${error.message}`);
    return error.exitCode;
  }
  if ((error as NodeJS.ErrnoException | undefined)?.code?.startsWith("ERR_PARSE_ARGS")) {
    say(`error: ${(error as Error).message}\n  fix: Add --help to see the options.`);
    return 2;
  }
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 1;
}

/** The database of the environment's variables, with what TOOLKIT_CONTEXT says of it. */
export async function fromEnvironment(): Promise<[Connection, Context]> {
  return [connectionFromEnvironment(process.env), contextFromEnvironment(process.env)];
}

// Run as a program, not when imported by infra/toolkit.ts.
if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  // Not awaited here: a module that imports this one, as the runbooks' does, would wait for it for ever.
  void main(process.argv.slice(2), fromEnvironment).then((code) => {
    process.exitCode = code;
  });
}
