import { parseArgs } from "node:util";
import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import { progress, say } from "../terminal.ts";
import { type Converted, clean, convert, finish, goBack, status } from "./convert.ts";
import type { Conversion } from "./journal.ts";
import type { ConvertOptions } from "./options.ts";
import { describeOutlook, outlook } from "./outlook.ts";

const usage = `usage: partition TABLE [options]

Converts a big plain table to monthly partitions while it is read and written: copies it in batches that give way to the
live traffic, compares both, and exchanges them in a moment. Nobody waits longer than the lock budget. Interrupted at any
point, the same command goes on where it stopped. Afterwards the plain table is kept current for a time, for the way back.

  --column NAME       the column of dates that tells a row's month (date)
  --keep-id           keep a surrogate key as a plain column; without it, it is left out
  --dry-run           say what would be done, and what speaks against it; touch nothing
  --status            say how far it is
  --finish            exchange the tables again, after --revert
  --revert            put the plain table back, with every row written since
  --cleanup           drop what is kept: the plain table afterwards, the copy before
  --yes               do not ask whether --cleanup is meant
  --lock-timeout MS   the lock budget (50)
  --batch-time MS     what a batch of copying should take (100)
  --max-lag MIB       how far replicas may be behind before copying pauses (64)
  --keep-for HOURS    how long the way back stays open (168); the first run after it cleans up
  --json              print the result on stdout as JSON

Exit code: 0 done, 1 it could not be done now, 2 wrong usage or a table that cannot be converted.`;

const options = {
  column: { type: "string" },
  "keep-id": { type: "boolean" },
  "dry-run": { type: "boolean" },
  status: { type: "boolean" },
  finish: { type: "boolean" },
  revert: { type: "boolean" },
  cleanup: { type: "boolean" },
  yes: { type: "boolean" },
  "lock-timeout": { type: "string" },
  "batch-time": { type: "string" },
  "max-lag": { type: "string" },
  "keep-for": { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = ReturnType<typeof parse>["values"];

const parse = (argv: string[]) => parseArgs({ args: argv, options, allowPositionals: true });

const actions = ["dry-run", "status", "finish", "revert", "cleanup"] as const;

/**
 * The command `partition`.
 * @returns the exit code: 0 done
 * @throws UserError with what speaks against it; exit code 2 for wrong usage
 */
export async function command(argv: string[], connection: Connection): Promise<number> {
  const { values, positionals } = parse(argv);
  if (values.help) {
    say(usage);
    return 0;
  }
  const [table] = positionals;
  if (!table || positionals.length > 1)
    throw new UserError(table ? "one table at a time is converted" : "there is no table to convert", {
      fix: "Add --help for the usage.",
      exitCode: 2,
    });
  const chosen = actions.filter((action) => values[action]);
  if (chosen.length > 1)
    throw new UserError(`--${chosen.join(" and --")} do not go together`, { fix: "Choose one.", exitCode: 2 });
  const result = await act(chosen[0], connection, optionsFrom(table, values), values);
  if (values.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  return 0;
}

async function act(
  action: (typeof actions)[number] | undefined,
  connection: Connection,
  settings: ConvertOptions,
  values: Values,
): Promise<unknown> {
  switch (action) {
    case "dry-run": {
      const found = await outlook(connection, settings);
      for (const line of describeOutlook(found)) say(line);
      return found;
    }
    case "status":
      return tell(await status(connection, settings), settings.table);
    case "revert":
      return goBack(connection, settings);
    case "cleanup": {
      await confirmCleanup(connection, settings, values.yes);
      return clean(connection, settings);
    }
    default:
      return convertShown(connection, settings, action === "finish");
  }
}

/** Converts, with a bar; or cleans up, where the time of the way back is over. */
export async function convertShown(
  connection: Connection,
  settings: ConvertOptions,
  again = false,
): Promise<Converted> {
  const present = await status(connection, settings);
  if (present?.phase === "swapped" && present.keepUntil && present.keepUntil < new Date()) {
    say(`the way back was open until ${present.keepUntil.toISOString()}`);
    return clean(connection, settings);
  }
  if (present?.phase === "swapped") tell(present, settings.table);
  let bar: ReturnType<typeof progress> | undefined;
  try {
    return await (again ? finish : convert)(connection, {
      ...settings,
      progress(done, total, note) {
        bar ??= progress({ title: settings.table, total });
        bar.update(done, note);
        if (done < total) return;
        bar.stop();
        bar = undefined;
      },
    });
  } finally {
    bar?.stop();
  }
}

function tell(conversion: Conversion | undefined, table: string): unknown {
  if (!conversion) {
    say(`no conversion of ${table} has begun`);
    return null;
  }
  const { phase, column, rowsCopied, rowsVerified, nextBlock, endBlock, startedAt, swappedAt, keepUntil } = conversion;
  const percent = endBlock === 0 ? 100 : Math.floor((100 * nextBlock) / endBlock);
  const states = {
    copying: `rows are copied: ${percent} %; the same command without --status goes on`,
    mirrored: "all rows are copied, changes are made in both tables; the same command without --status goes on",
    swapped: `it is partitioned; the plain table is kept current until ${keepUntil?.toISOString()} (--revert, --cleanup)`,
    reverted: "it was converted and put back; the partitioned table is kept current (--finish, --cleanup)",
  };
  say(`${table}: ${states[phase]}`);
  return { table, column, phase, rowsCopied, rowsVerified, nextBlock, endBlock, startedAt, swappedAt, keepUntil };
}

async function confirmCleanup(connection: Connection, settings: ConvertOptions, yes: boolean | undefined) {
  const present = await status(connection, settings);
  if (!present || yes || (present.keepUntil && present.keepUntil < new Date())) return;
  throw new UserError(`--cleanup of ${settings.table} asks for --yes`, {
    why:
      present.phase === "swapped"
        ? `The plain table would be dropped, and the way back closed, before ${present.keepUntil?.toISOString()}.`
        : "The copy would be dropped, and converting would begin with the first row.",
    fix: `If that is meant: toolkit partition ${settings.table} --cleanup --yes.`,
    exitCode: 2,
  });
}

function optionsFrom(table: string, values: Values): ConvertOptions {
  const number = (name: keyof Values & string, unit = 1) => {
    const value = values[name] as string | undefined;
    if (value === undefined) return undefined;
    if (/^\d{1,9}$/.test(value) && Number(value) > 0) return Number(value) * unit;
    throw new UserError(`--${name} ${value} is not a number`, { fix: "Give a whole number above 0.", exitCode: 2 });
  };
  return {
    table,
    column: values.column,
    keepId: values["keep-id"],
    lockTimeout: number("lock-timeout"),
    batchTime: number("batch-time"),
    maxReplicaLag: number("max-lag", 1024 * 1024),
    keepFor: number("keep-for", 3_600_000),
    say,
  };
}
