import { pathToFileURL } from "node:url";
import type { BackupTarget } from "./backup/target.ts";
import { type Connection, parseConnectionString } from "./connection.ts";
import { UserError } from "./errors.ts";
import { say } from "./terminal.ts";

/** What a command may need beside a connection. */
export interface Context {
  /** How the database is backed up. */
  backup: BackupTarget;
}

/** One command: it gets its own arguments, a connection and its context, and returns the exit code. */
type Command = (argv: string[], connection: Connection, context: Context) => Promise<number>;

/** Every command, loaded only when it is called: a loader should not pay for a reporter. */
const commands: Record<string, { summary: string; load: () => Promise<{ command: Command }> }> = {
  load: { summary: "load prices from CSV files", load: () => import("./load/command.ts") },
  report: {
    summary: "answer an analyst's questions on the loaded prices",
    load: () => import("./analysis/command.ts"),
  },
};

// A command that only explains itself does not look at them.
const noDatabase = [{} as Connection, {} as Context] as const;

const usage = `usage: toolkit <command> [options]

${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`)
  .join("\n")}

Each command explains itself with --help. The database is the one of DATABASE_URL.`;

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
    const { command } = await found.load();
    const asksForHelp = rest.includes("--help") || rest.includes("-h");
    return await command(rest, ...(asksForHelp ? noDatabase : await connect(rest)));
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

/** The database of DATABASE_URL, backed up as it can be. */
export async function fromEnvironment(): Promise<[Connection, Context]> {
  const url = process.env.DATABASE_URL;
  if (!url)
    throw new UserError("there is no database to talk to: DATABASE_URL is not set", {
      fix: "Set DATABASE_URL, or use `npm run toolkit -- …`, which takes the database of the stack.",
      exitCode: 2,
    });
  return [parseConnectionString(url), { backup: { kind: "auto", directory: ".local/backups" } }];
}

// Run as a program, not when imported by infra/toolkit.ts.
if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exitCode = await main(process.argv.slice(2), fromEnvironment);
}
