import { parseArgs } from "node:util";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { tableLines } from "../runbook/table.ts";
import { say } from "../terminal.ts";
import { type AnyQuery, queries } from "./index.ts";
import { readOptions } from "./options.ts";
import { runQuery, streamQuery } from "./query.ts";

const usage = `usage: toolkit query [NAME [--OPTION VALUE …] [--json]]

Asks one of the application's queries; without a name it lists them. NAME --help shows the options of one.

  --json   print a page as JSON, a streamed result as one JSON object a line

Exit code: 0 fine, 2 wrong usage.`;

/** Whether these arguments ask for a database: the list does not. */
export const needsDatabase = async (argv: string[]): Promise<boolean> => argv.some((word) => word !== "--json");

/**
 * The command `query`.
 * @returns the exit code
 * @throws UserError with exit code 2 for a query or an option that there is not
 */
export async function command(argv: string[], connection: Connection): Promise<number> {
  const [name = "", ...rest] = argv[0]?.startsWith("-") ? ["", ...argv] : argv;
  if (!name) return list(rest);
  const query = queries.find((one) => one.name === name);
  if (!query)
    throw new UserError(`there is no query "${name}"`, {
      fix: `Use one of ${queries.map((one) => one.name).join(", ")}.`,
      exitCode: 2,
    });
  const { json, help, ...written } = parseArgs({ args: rest, options: argumentsOf(query) }).values;
  if (help) {
    say(usageOf(query));
    return 0;
  }
  const given = Object.fromEntries(Object.entries(written).map(([option, value]) => [camel(option), value]));
  readOptions(query.options, given, query.name);
  await withClient(connection, { applicationName: `query ${name}` }, async (client) => {
    if (query.large && json) {
      for await (const row of streamQuery(client, query, given)) await write(`${JSON.stringify(row)}\n`);
      return;
    }
    const page = await runQuery(client, query, given);
    if (json) await write(`${JSON.stringify(page, null, 2)}\n`);
    else {
      const columns = Object.keys(page.rows[0] ?? {});
      const lines = columns.length > 0 ? tableLines({ columns, rows: page.rows as never }, page.rows.length) : [];
      if (lines.length === 0) say("no rows");
      else await write(`${lines.join("\n")}\n`);
      if (page.next) say(`next page: --after '${page.next}'`);
    }
  });
  return 0;
}

function list(argv: string[]): number {
  const { json, help } = parseArgs({
    args: argv,
    options: { json: { type: "boolean" }, help: { type: "boolean", short: "h" } },
  }).values;
  if (help) say(usage);
  else if (json)
    process.stdout.write(
      `${JSON.stringify(
        queries.map(({ name, summary, expectation }) => ({ name, summary, expectation })),
        null,
        2,
      )}\n`,
    );
  else for (const { name, summary } of queries) process.stdout.write(`${name.padEnd(20)}  ${summary}\n`);
  return 0;
}

function argumentsOf({ options }: AnyQuery) {
  const named = Object.keys(options).map((name) => [kebab(name), { type: "string" as const }]);
  return {
    ...(Object.fromEntries(named) as Record<string, { type: "string" }>),
    json: { type: "boolean" as const },
    help: { type: "boolean" as const, short: "h" },
  };
}

function usageOf({ name, summary, options }: AnyQuery): string {
  const lines = Object.entries(options).map(([option, { about, placeholder, shownDefault }]) => {
    const end = shownDefault ? ` (${shownDefault})` : "";
    return `  ${`--${kebab(option)} ${placeholder}`.padEnd(24)}  ${about}${end}`;
  });
  return [`usage: toolkit query ${name} [options]`, "", `${summary}.`, "", ...lines].join("\n").trimEnd();
}

const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const camel = (name: string) => name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** Waits where the reader is slower than the database. */
function write(text: string): Promise<void> | undefined {
  if (process.stdout.write(text)) return undefined;
  return new Promise((resume) => process.stdout.once("drain", () => resume()));
}
