import { parseArgs } from "node:util";
import { deriveFromPrices } from "../analysis/derived.ts";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { say } from "../terminal.ts";
import type { DateOrder } from "./dates.ts";
import { type LoadOptions, load } from "./load.ts";
import { checkRejectsFolder, rejectsPath } from "./rejects.ts";
import { describe, type LoadResult } from "./result.ts";
import { inspect } from "./source.ts";

const usage = `usage: load FILE.csv [FILE.csv …] [options]

Loads prices: one symbol or many (date, open, high, low, close, adjusted close, volume; or symbol, date, price),
or a wide file with a column for each symbol. Loading again changes nothing; after an interruption the same
command goes on where it stopped. Bad lines are kept aside in FILE.rejects.csv, to be corrected and loaded.

  --symbol NAME       the symbol of a file of one symbol (otherwise the file's name)
  --wide              every column but the date is a symbol
  --date-format F     mdy or dmy, where the file's dates do not tell the order themselves
  --decimal SIGN      point or comma, where a file with semicolons does not tell it itself
  --rejects DIR       folder for rejected lines (otherwise beside the file)
  --force             load again from the first line
  --prices-only       leave the indicators and the summaries as they are
  --wait SECONDS      how long to wait for another session that loads the same file (60)
  --json              print the results on stdout as JSON

Exit code: 0 everything is loaded, 1 some lines were rejected or the database did not take the file,
2 wrong usage or a file that cannot be read.`;

const options = {
  symbol: { type: "string" },
  wide: { type: "boolean" },
  "date-format": { type: "string" },
  decimal: { type: "string" },
  rejects: { type: "string" },
  force: { type: "boolean" },
  "prices-only": { type: "boolean" },
  wait: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/**
 * The command `load`.
 * @returns the exit code: 0 all loaded, 1 some lines rejected
 * @throws UserError with exit code 2 for wrong usage or a file that cannot be read, before anything is loaded
 */
export async function command(argv: string[], connection: Connection): Promise<number> {
  const { values, positionals: files } = parseArgs({ args: argv, options, allowPositionals: true });
  if (values.help) {
    say(usage);
    return 0;
  }
  if (files.length === 0)
    throw new UserError("there is no file to load", { fix: "Add --help for the usage.", exitCode: 2 });
  const loadOptions: LoadOptions = {
    symbol: values.symbol,
    wide: values.wide,
    dateFormat: choice<DateOrder>("--date-format", values["date-format"], ["mdy", "dmy"]),
    decimal: choice("--decimal", values.decimal, ["point", "comma"]),
    rejects: values.rejects,
    force: values.force,
    wait: seconds(values.wait),
  };
  refuseSameRejects(files, values.rejects);
  if (values.rejects !== undefined) await checkRejectsFolder(values.rejects);
  for (const file of files) await inspect(file, loadOptions);

  const results: LoadResult[] = [];
  try {
    for (const file of files) {
      const result = await load(connection, file, loadOptions);
      results.push(result);
      for (const line of describe(result)) say(line);
    }
  } finally {
    // Also where a later file fails: what is loaded is loaded.
    if (values.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
  }
  if (!values["prices-only"]) await derive(connection, results);
  return results.some(({ rejected }) => rejected > 0) ? 1 : 0;
}

async function derive(connection: Connection, results: LoadResult[]): Promise<void> {
  const symbols = [...new Set(results.flatMap((result) => (result.alreadyLoaded ? [] : result.symbols)))];
  if (symbols.length === 0) return;
  await withClient(connection, { applicationName: "load" }, (client) => deriveFromPrices(client, symbols, say));
}

function choice<T extends string>(option: string, value: string | undefined, known: T[]): T | undefined {
  if (value === undefined || known.includes(value as T)) return value as T | undefined;
  throw new UserError(`${option} ${value} is not known`, { fix: `Use ${known.join(" or ")}.`, exitCode: 2 });
}

function seconds(value: string | undefined): number | undefined {
  if (value === undefined || /^\d{1,6}$/.test(value)) return value === undefined ? undefined : Number(value);
  throw new UserError(`--wait ${value} is not a number of seconds`, { fix: "Give a whole number.", exitCode: 2 });
}

function refuseSameRejects(files: string[], folder: string | undefined): void {
  const paths = files.map((file) => rejectsPath(file, folder));
  const twice = paths.find((path, index) => paths.indexOf(path) !== index);
  if (twice === undefined) return;
  throw new UserError(`two of the files would keep their rejected lines in ${twice}`, {
    fix: "Load them one by one, with a folder for each (--rejects).",
    exitCode: 2,
  });
}
