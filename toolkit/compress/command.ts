import { parseArgs } from "node:util";
import { bytes } from "../backup/sizes.ts";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { oneOf } from "../partitions/options.ts";
import { expiries } from "../partitions/policy.ts";
import { count, progress, say } from "../terminal.ts";
import { type DropOptions, drop } from "./drop.ts";
import { pack } from "./pack.ts";
import { status } from "./status.ts";
import { unpack } from "./unpack.ts";
import { verify } from "./verify.ts";

const usage = `usage: toolkit compress [status] [--older-than AGE]
       toolkit compress pack [--older-than AGE] [--dry-run]
       toolkit compress unpack [--from DATE] [--dry-run]
       toolkit compress drop [--older-than AGE] [--on-expire WHAT] [--directory PATH] [--dry-run]
       toolkit compress verify

Packs old prices to about an eighth of their space. packed.price_history reads as price_history does, with the packed
rows. Indicators, reports, summaries and the queries of toolkit query read it by themselves. Other SQL that reads prices
names it; or its session has the search_path "packed, public", where it does not write: a view takes no rows. What is
written to packed days later wins, and the next pack packs it too (repack is another name for it). Readers never wait for
a half-year that is packed, writers to it do. Packed months expire as partitions do: toolkit partitions retain takes
both away, drop only packed ones. A row that is written to a month that went is refused.

  --older-than AGE   the age from which monthly partitions are packed ('2 years'); drop: from which packed months go (the
                     retention of toolkit partitions policy price_history)
  --from DATE        unpack: the first day, YYYY-MM-DD; all when left out
  --on-expire WHAT   drop: detach (kept in the schema deploy), archive or drop (the policy's; drop where none is set)
  --directory PATH   drop: where archives go (.local/archive)
  --dry-run          only tell what would be done
  --json             print the result on stdout as JSON

Exit code: 0 fine, 1 a packed row is damaged, or a lock was not had, 2 wrong usage.`;

const options = {
  "older-than": { type: "string" },
  from: { type: "string" },
  "on-expire": { type: "string" },
  directory: { type: "string" },
  "dry-run": { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h" },
} as const;

const defaultAge = "2 years";

/**
 * The command `compress`.
 * @returns the exit code
 * @throws UserError with exit code 2 for wrong usage, 1 for what cannot be done
 */
export async function command(argv: string[], connection: Connection): Promise<number> {
  const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true });
  if (values.help) {
    say(usage);
    return 0;
  }
  const [action = "status", ...rest] = positionals;
  if (rest.length > 0)
    throw new UserError(`"${rest[0]}" means nothing to compress ${action}`, {
      fix: "Add --help for the usage.",
      exitCode: 2,
    });
  if (values.from !== undefined && !isDate(values.from))
    throw new UserError(`--from ${values.from} is not a date`, { fix: "Write it as YYYY-MM-DD.", exitCode: 2 });
  const { data, lines, code } = await perform(action, values, connection);
  if (values.json) process.stdout.write(`${JSON.stringify(data, null, 2)}\n`);
  else for (const line of lines) process.stdout.write(`${line}\n`);
  return code;
}

function isDate(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && new Date(`${text}T00:00:00Z`).toJSON()?.startsWith(text) === true;
}

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"] & { "dry-run": boolean };

interface Done {
  data: unknown;
  lines: string[];
  code: number;
}

async function perform(action: string, values: Values, connection: Connection): Promise<Done> {
  const { "older-than": olderThan = defaultAge, "dry-run": dryRun } = values;
  switch (action) {
    case "status": {
      const found = await withClient(connection, { applicationName: "compress" }, (client) =>
        status(client, olderThan),
      );
      const lines = [
        `packed    ${count(found.packed.rows)} rows in ${bytes(found.packed.bytes)}` +
          (found.packed.from ? `, ${found.packed.from} to ${found.packed.to}` : ""),
        `waiting   ${found.waiting.length} partitions of before ${found.cutoff}, ${bytes(found.waitingBytes)}`,
      ];
      return { data: found, lines, code: 0 };
    }
    case "pack":
    case "repack": {
      const done = await withBar("pack", (bar) => pack(connection, { olderThan, dryRun, say, progress: bar }));
      return { data: done, lines: perPeriod(done.periods), code: 0 };
    }
    case "unpack": {
      const done = await withBar("unpack", (bar) =>
        unpack(connection, { from: values.from, dryRun, say, progress: bar }),
      );
      return { data: done, lines: perPeriod(done.periods), code: 0 };
    }
    case "drop": {
      const done = await drop(connection, dropOptions(values));
      if (done.length === 0) say("nothing to do");
      const words = { archive: "archived", detach: "detached", drop: "dropped" } as const;
      const lines = done.map(
        ({ name, action, archive }) =>
          `${name}  ${dryRun ? "to be " : ""}${words[action]}${archive ? ` to ${archive}` : ""}`,
      );
      return { data: done, lines, code: 0 };
    }
    case "verify": {
      const found = await withClient(connection, { applicationName: "compress" }, verify);
      const lines = [
        `${count(found.rows)} rows in ${count(found.chunks)} chunks: ${count(found.damaged.length)} damaged, ${count(found.doubled)} rows both plain and packed`,
        ...found.damaged.map((chunk) => `damaged: ${chunk}`),
      ];
      return { data: found, lines, code: found.damaged.length > 0 || found.doubled > 0 ? 1 : 0 };
    }
    default:
      throw new UserError(`compress cannot ${action}`, {
        fix: "Use one of status, pack, unpack, repack, drop, verify.",
        exitCode: 2,
      });
  }
}

function dropOptions(values: Values): DropOptions {
  const { "older-than": olderThan, "on-expire": onExpire, directory, "dry-run": dryRun } = values;
  return {
    ...{ dryRun, say },
    ...(olderThan === undefined ? {} : { olderThan }),
    ...(onExpire === undefined ? {} : { onExpire: oneOf("on-expire", onExpire, expiries) }),
    ...(directory === undefined ? {} : { directory }),
  };
}

/** Runs work with a bar, which is drawn once there is something to do. */
async function withBar<T>(
  title: string,
  work: (update: (done: number, total: number, note: string) => void) => Promise<T>,
): Promise<T> {
  let bar: ReturnType<typeof progress> | undefined;
  try {
    return await work((done, total, note) => {
      bar ??= progress({ title, total });
      bar.update(done, note);
    });
  } finally {
    bar?.stop();
  }
}

function perPeriod(periods: { period: string; rows: number | null }[]): string[] {
  if (periods.length === 0) say("nothing to do");
  return periods.map(({ period, rows }) => `${period}  ${rows === null ? "to be packed" : `${count(rows)} rows`}`);
}
