import pg from "pg";
import { UserError } from "../errors.ts";
import type { Queryable } from "../queryable.ts";
import { usageOf } from "./accesses.ts";
import { readTables } from "./catalog.ts";
import { type Node, parseStatement, relationsOf, walk } from "./syntax.ts";
import type { Statement } from "./workload.ts";

// The heaviest ones: those behind them take hardly any of the time.
const mostStatements = 100;

/** A value for a parameter of which nothing is known but its type. */
const byType: [type: RegExp, value: () => string][] = [
  [/\[\]$/, () => "{}"],
  [/^(smallint|integer|bigint|numeric|real|double precision|oid)/, () => "1"],
  [/^date/, () => new Date().toISOString().slice(0, 10)],
  [/^timestamp/, () => new Date().toISOString()],
  [/^time/, () => "12:00"],
  [/^interval/, () => "1 day"],
  [/^boolean/, () => "true"],
  [/^uuid/, () => "00000000-0000-0000-0000-000000000000"],
  [/^json/, () => "{}"],
];
const [typicalLimit, typicalOffset] = ["100", "0"];

/**
 * The workload as pg_stat_statements counts it. It keeps no values: a parameter that is compared with a column gets the
 * column's most common value, or the middle of its histogram; others get one of their type.
 * @throws UserError where pg_stat_statements cannot be read
 * @see https://www.postgresql.org/docs/current/pgstatstatements.html
 */
export async function countedWorkload(live: Queryable): Promise<Statement[]> {
  const fix =
    "Record what the application sends with recordWorkload (toolkit/advise/workload.ts), and add --workload FILE.";
  const { rows: places } = await live.query(
    `select n.nspname as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace
     where e.extname = 'pg_stat_statements' and current_setting('pg_stat_statements.max', true) is not null`,
  );
  if (places.length === 0)
    throw new UserError("there is no workload to advise on", {
      why: "pg_stat_statements is not installed in this database, or not in shared_preload_libraries.",
      fix,
    });
  const { rows } = await live.query<{ text: string; calls: number }>(
    `select query as text, sum(calls)::float8 as calls from ${pg.escapeIdentifier(places[0].schema)}.pg_stat_statements
     where dbid = (select oid from pg_database where datname = current_database()) and toplevel and calls > 0
     group by query order by sum(total_exec_time) desc limit ${mostStatements}`,
  );
  const statements: Statement[] = [];
  for (const { text, calls } of rows) {
    const values = await likelyValues(live, text);
    if (values) statements.push({ text, values, calls });
  }
  if (statements.length === 0)
    throw new UserError("pg_stat_statements has no statement that could be tried", {
      why: "It has none on tables of this database, or this role may not read their texts (pg_read_all_stats).",
      fix,
    });
  return statements;
}

/** @returns undefined for what is no query on tables of users, or cannot be prepared */
async function likelyValues(live: Queryable, text: string): Promise<string[] | undefined> {
  const tree = parseStatement(text);
  if (!tree) return undefined;
  const tables = await readTables(live, relationsOf(tree));
  if (tables.size === 0) return undefined;
  const types = await parameterTypes(live, text);
  if (!types) return undefined;
  const { parameters } = usageOf(tree, text, (name) => tables.get(name));
  const limits = limitsOf(tree);
  return types.map((type, at) => {
    const limit = limits.get(at + 1);
    if (limit !== undefined) return limit;
    const compared = parameters.get(at + 1);
    const sample = compared?.table.columns.find(({ name }) => name === compared.column)?.sample;
    if (sample != null) return type.endsWith("[]") ? `{${JSON.stringify(sample)}}` : sample;
    return byType.find(([pattern]) => pattern.test(type))?.[1]() ?? "";
  });
}

async function parameterTypes(live: Queryable, text: string): Promise<string[] | undefined> {
  try {
    await live.query(`prepare advised_statement as ${text}`);
  } catch {
    // `interval $1` and the like: pg_stat_statements writes what cannot be prepared.
    return undefined;
  }
  const { rows } = await live.query(
    "select parameter_types::text[] as types from pg_prepared_statements where name = 'advised_statement'",
  );
  await live.query("deallocate advised_statement");
  return rows[0].types;
}

function limitsOf(tree: Node): Map<number, string> {
  const found = new Map<number, string>();
  walk(tree, (_kind, node) => {
    if (node.limitCount?.ParamRef) found.set(node.limitCount.ParamRef.number, typicalLimit);
    if (node.limitOffset?.ParamRef) found.set(node.limitOffset.ParamRef.number, typicalOffset);
    return false;
  });
  return found;
}
