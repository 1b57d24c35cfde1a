import { parseArgs } from "node:util";
import { type Connection, withClient } from "../../connection.ts";
import { UserError } from "../../errors.ts";
import { say } from "../../terminal.ts";
import { historyTable, readHistory } from "../history.ts";

const usage = `usage: toolkit history [--json] [--limit N]

Every step that was done to the schema: checks before, backups, migrations with the time they waited for locks and
the rows they changed, validations, and what was undone; with result, message and who did it. The latest come last.

  --limit N   how many steps (50)
  --json      print them as JSON

Exit code: 0 fine, 2 wrong usage.`;

const options = {
  json: { type: "boolean" },
  limit: { type: "string", default: "50" },
  help: { type: "boolean", short: "h" },
} as const;

/**
 * The command `history`.
 * @returns the exit code
 */
export async function command(argv: string[], connection: Connection): Promise<number> {
  const { values } = parseArgs({ args: argv, options });
  if (values.help) {
    say(usage);
    return 0;
  }
  if (!/^[1-9]\d{0,6}$/.test(values.limit))
    throw new UserError(`--limit ${values.limit} is not a number of steps`, {
      fix: "Give a whole number from 1 on.",
      exitCode: 2,
    });
  const entries = await withClient(connection, { applicationName: "history" }, (client) =>
    readHistory(client, Number(values.limit)),
  );
  if (values.json) process.stdout.write(`${JSON.stringify(entries, null, 2)}\n`);
  else if (entries.length === 0) say("nothing was done to this schema yet");
  else process.stdout.write(`${historyTable(entries).join("\n")}\n`);
  return 0;
}
