import { parseArgs } from "node:util";
import type { Context } from "../../cli.ts";
import type { Connection } from "../../connection.ts";
import { UserError } from "../../errors.ts";
import { say } from "../../terminal.ts";
import { type Backups, realBackups } from "../deployBackup.ts";
import { undo } from "../undo.ts";

const usage = `usage: toolkit rollback [--count N | --to NAME] [--dry-run] [--yes]

Undoes the last migrations by their down, the last applied first, after a backup. Without --yes it only shows what
would be undone, as SQL on stdout.

  --count N         how many migrations (1)
  --to NAME         the migration to go back to, which stays applied
  --dry-run         only show what would be undone
  --yes             undo it
  --without-backup  make no backup first
  --directory DIR   the folder of migrations (migrations)

Exit code: 0 undone, or shown with --dry-run, 1 something cannot be undone, 2 wrong usage, or --yes is missing.`;

const options = {
  count: { type: "string" },
  to: { type: "string" },
  "dry-run": { type: "boolean" },
  yes: { type: "boolean" },
  "without-backup": { type: "boolean" },
  directory: { type: "string", default: "migrations" },
  help: { type: "boolean", short: "h" },
} as const;

/**
 * The command `rollback`.
 * @param backups who makes the backup
 * @returns the exit code
 */
export async function command(
  argv: string[],
  connection: Connection,
  context: Context,
  backups: Backups = realBackups,
): Promise<number> {
  const { values } = parseArgs({ args: argv, options });
  if (values.help) {
    say(usage);
    return 0;
  }
  if (values.count !== undefined && values.to !== undefined)
    throw new UserError("--count and --to say two different things", { fix: "Use one of them.", exitCode: 2 });
  if (values.count !== undefined && !/^[1-9]\d{0,5}$/.test(values.count))
    throw new UserError(`--count ${values.count} is not a number of migrations`, {
      fix: "Give a whole number from 1 on.",
      exitCode: 2,
    });
  const carryOut = Boolean(values.yes) && !values["dry-run"];
  const undone = await undo(connection, {
    directory: values.directory,
    ...(values.count === undefined ? {} : { count: Number(values.count) }),
    ...(values.to === undefined ? {} : { to: values.to }),
    show: (text) => void process.stdout.write(`${text}\n`),
    carryOut,
    backUp: values["without-backup"]
      ? undefined
      : (reason) => backups.createBackup(connection, context.backup, { reason, say }).then(({ id }) => id),
    say,
  });
  if (undone.length === 0) say("nothing is applied: there is nothing to undo");
  else if (!carryOut) {
    say(`would undo: ${undone.join(", ")}`);
    if (!values["dry-run"]) {
      say("Nothing was undone. Add --yes to undo it.");
      return 2;
    }
  } else if (!values["without-backup"]) say("undone; the backup of before is in `npm run toolkit -- backups list`");
  return 0;
}
