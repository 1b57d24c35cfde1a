import { parseArgs } from "node:util";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { queries } from "../queries/index.ts";
import { tableLines } from "../runbook/table.ts";
import { say } from "../terminal.ts";
import { readWatched, unwatchTables, type Watched, watchTables } from "./watch.ts";

const usage = `usage: toolkit cache [status | watch | unwatch] [TABLE …] [--json]

Caches of query results (toolkit/cache) forget what a table's change made old. The database tells them: watch gives tables,
and their partitions, a trigger that announces changes; unwatch takes it away. Without a TABLE: those that the
application's queries read. Partitions made by \`toolkit partitions\` are watched from the start; after others were added,
watch again: until then, the table's queries are not cached.
Writers of a watched table commit one after the other: see toolkit/cache/watch.ts for what that costs.

  --json   print how the tables stand on stdout as JSON

Exit code: 0 fine, 1 status: a table is not watched, 2 wrong usage.`;

const options = { json: { type: "boolean" }, help: { type: "boolean", short: "h" } } as const;

const actions = { status: undefined, watch: watchTables, unwatch: unwatchTables } as const;

/**
 * The command `cache`.
 * @returns the exit code
 * @throws UserError for an action that there is not, a name that is no table, or a lock that is not had in time
 */
export async function command(argv: string[], connection: Connection): Promise<number> {
  const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true });
  if (values.help) {
    say(usage);
    return 0;
  }
  const [action = "status", ...tables] = positionals;
  if (!Object.hasOwn(actions, action))
    throw new UserError(`there is no \`toolkit cache ${action}\``, {
      fix: `Use one of ${Object.keys(actions).join(", ")}.`,
      exitCode: 2,
    });
  const change = actions[action as keyof typeof actions];
  return withClient(connection, { applicationName: `cache ${action}` }, async (client) => {
    const names = tables.length > 0 ? tables : await ownTables(client);
    if (change) say(`${await change(client, names)} triggers ${action === "watch" ? "made" : "dropped"}`);
    const found = await readWatched(client, names);
    if (values.json) process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
    else process.stdout.write(`${tableLines(forPeople(found), found.length).join("\n")}\n`);
    return change || found.every(({ watched }) => watched) ? 0 : 1;
  });
}

/** The tables of the application's queries; their views have no triggers, and are never cached. */
async function ownTables(client: Parameters<typeof readWatched>[0]): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select name from unnest($1::text[]) as name
     join pg_class on oid = to_regclass(name) where relkind in ('r', 'p') order by name`,
    [[...new Set(queries.flatMap((query) => query.tables))]],
  );
  return rows.map(({ name }) => name);
}

function forPeople(found: Watched[]) {
  const rows = found.map(({ name, tag, watched, unwatched }) => ({
    table: name,
    state: watched ? "watched" : tag ? `not watched: ${unwatched} without a trigger` : "there is no such table",
  }));
  return { columns: ["table", "state"], rows };
}
