import { parseArgs } from "node:util";
import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import { say } from "../terminal.ts";
import { type Backup, createBackup, listBackups, pruneBackups, restoreBackup, verifyBackup } from "./backups.ts";
import { age, bytes } from "./sizes.ts";
import type { BackupTarget } from "./target.ts";

const usage = `usage: backups list
       backups create [--reason TEXT]
       backups verify ID [--yes]
       backups restore ID [--database NAME | --to FOLDER | --instance NAME --yes] [--dry-run]
       backups prune [--count N] [--days N] [--dry-run]

A backup is a copy of the server's files where they can be read on this machine, otherwise a dump by pg_dump; of an
RDS instance it is a snapshot. verify restores it into a throw-away server and compares the schema and the rows of
every table. restore never touches what is there: a dump becomes a new database, the files a new server, a snapshot
a new instance. ID may be "latest".

  --reason TEXT      why it is made
  --database NAME    restore a dump: the new database, on the same server
  --to FOLDER        restore a copy of the files: the new data folder; without it, the commands are told that start a
                     server of the stack from the backup
  --instance NAME    restore a snapshot: the new instance
  --yes              an RDS instance may be made, which costs money
  --count N          prune: how many of the newest are kept (5)
  --days N           prune: the age at which a backup goes, whatever their number (14); the newest always stays,
                     and so do the final backups of destroyed servers
  --dry-run          only tell what would be done
  --json             print the result on stdout as JSON

Exit code: 0 fine, 1 the backup is damaged, or cannot be made, verified or restored from here, 2 wrong usage.`;

const options = {
  reason: { type: "string" },
  database: { type: "string" },
  to: { type: "string" },
  instance: { type: "string" },
  count: { type: "string" },
  days: { type: "string" },
  yes: { type: "boolean" },
  "dry-run": { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

/** What each action understands, and whether it is about one backup. */
const actions: Record<string, { options: (keyof typeof options)[]; id: boolean }> = {
  list: { options: [], id: false },
  create: { options: ["reason"], id: false },
  verify: { options: ["yes"], id: true },
  restore: { options: ["database", "to", "instance", "yes", "dry-run"], id: true },
  prune: { options: ["count", "days", "dry-run"], id: false },
};

/**
 * The command `backups`.
 * @returns the exit code
 * @throws UserError with exit code 2 for wrong usage, 1 for what cannot be done
 */
export async function command(
  argv: string[],
  connection: Connection,
  context: { backup: BackupTarget },
): Promise<number> {
  const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true });
  if (values.help) {
    say(usage);
    return 0;
  }
  const [action, id] = requireUsage(positionals, values);
  const { data, lines } = await withTalkOnStderr(async () =>
    perform(action, await resolveId(context.backup, id), values, connection, context.backup),
  );
  if (values.json) process.stdout.write(`${JSON.stringify(data, null, 2)}\n`);
  else for (const line of lines) process.stdout.write(`${line}\n`);
  return 0;
}

/**
 * The modules of the embedded server, which a verification uses, talk by `console.log`, as a dynamic resource must. In a command
 * that is stdout, which is for the result alone.
 */
async function withTalkOnStderr<T>(work: () => Promise<T>): Promise<T> {
  const { log } = console;
  console.log = (...parts: unknown[]) => say(parts.join(" "));
  try {
    return await work();
  } finally {
    console.log = log;
  }
}

function requireUsage(positionals: string[], values: Values): [string, string] {
  const [action = "", id = "", ...rest] = positionals;
  const fail = (what: string, fix = "Add --help for the usage.") => new UserError(what, { fix, exitCode: 2 });
  const known = Object.hasOwn(actions, action) ? actions[action] : undefined;
  if (!known)
    throw fail(
      action ? `backups cannot ${action}` : "it is not said what to do with the backups",
      `Use one of ${Object.keys(actions).join(", ")}.`,
    );
  if (known.id && !id) throw fail(`it is not said which backup to ${action}`, "`backups list` shows their ids.");
  const extra = [...rest, ...(known.id ? [] : [id])].find(Boolean);
  if (extra) throw fail(`"${extra}" means nothing to backups ${action}`);
  const foreign = Object.keys(values).find(
    (name) => name !== "json" && !known.options.includes(name as keyof typeof options),
  );
  if (foreign) throw fail(`--${foreign} means nothing to backups ${action}`);
  return [action, id];
}

async function resolveId(target: BackupTarget, id: string): Promise<string> {
  if (id !== "latest") return id;
  const newest = (await listBackups(target)).at(-1);
  if (newest) return newest.id;
  throw new UserError("there is no backup yet", { fix: "Make one: toolkit backups create." });
}

async function perform(
  action: string,
  id: string,
  values: Values,
  connection: Connection,
  target: BackupTarget,
): Promise<{ data: unknown; lines: string[] }> {
  const dryRun = values["dry-run"] ?? false;
  const yes = values.yes ?? false;
  switch (action) {
    case "create": {
      const backup = await createBackup(connection, target, { reason: values.reason ?? "by hand", say });
      return { data: backup, lines: [backup.id] };
    }
    case "verify": {
      const verified = await verifyBackup(target, id, { say, connection, yes });
      return { data: verified, lines: [`${verified.id} restores`] };
    }
    case "restore": {
      const { database, to, instance } = values;
      const places = {
        ...(database === undefined ? {} : { database }),
        ...(to === undefined ? {} : { folder: to }),
        ...(instance === undefined ? {} : { instance }),
      };
      const restored = await restoreBackup(connection, target, id, { ...places, yes, dryRun, say });
      say(restored.made || dryRun ? "then:" : "to start from it:");
      return { data: restored, lines: restored.next };
    }
    case "prune": {
      const [count, days] = [number("--count", values.count, 5), number("--days", values.days, 14)];
      const removed = await pruneBackups(target, { count, days, dryRun, say });
      if (removed.length === 0) say("nothing to remove");
      return { data: { removed, dryRun }, lines: [] };
    }
    default: {
      const backups = await listBackups(target);
      if (backups.length === 0) say("there is no backup yet");
      return { data: backups, lines: table(backups) };
    }
  }
}

function number(option: string, value: string | undefined, otherwise: number): number {
  if (value === undefined) return otherwise;
  if (/^[1-9]\d{0,5}$/.test(value)) return Number(value);
  throw new UserError(`${option} ${value} is not a number from 1 on`, { fix: "Give a whole number.", exitCode: 2 });
}

/** The newest first, as a person looks for it. */
function table(backups: Backup[]): string[] {
  if (backups.length === 0) return [];
  const rows = backups
    .toReversed()
    .map((backup) => [
      backup.id,
      backup.method,
      age(backup.finishedAt),
      bytes(backup.bytes),
      backup.head || "-",
      backup.reason,
    ]);
  const all = [["id", "method", "age", "size", "last migration", "reason"], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}
