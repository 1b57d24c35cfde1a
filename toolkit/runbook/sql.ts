import type pg from "pg";
import { splitStatements } from "../migrate/statements.ts";
import type { Outcome } from "./expectations.ts";
import type { Values } from "./parameters.ts";
import { parameterPattern, type Step } from "./parse.ts";

// A question to the catalogs that takes longer is itself in trouble; what changes may take its time.
const readTimeout = "30s";
// A step that queues for a lock makes others queue behind it.
const lockTimeout = "5s";

// psql's: the result of the query is itself run, one value after the other.
const gexec = /\\gexec\s*$/;

/** A text for the server with its parameters apart: `$name` becomes `$1`, and the value never enters the text. */
export function bind(text: string, values: Values): { text: string; values: string[] } {
  const names: string[] = [];
  const bound = text.replace(parameterPattern, (whole, name: string | undefined) => {
    if (name === undefined) return whole;
    if (!names.includes(name)) names.push(name);
    return `$${names.indexOf(name) + 1}`;
  });
  return { text: bound, values: names.map((name) => values[name]!) };
}

/**
 * Runs a step of SQL: what only reads in a read-only transaction, what changes outside of one, as VACUUM and CREATE
 * INDEX CONCURRENTLY ask for. Of several statements the last one's rows count.
 */
export async function runSql(client: pg.ClientBase, step: Step, values: Values): Promise<Outcome> {
  if (!step.changes) return readOnly(client, () => runStatements(client, step.text, values));
  await client.query("select set_config('lock_timeout', $1, false), set_config('statement_timeout', '0', false)", [
    step.waits ? "0" : lockTimeout,
  ]);
  if (!generatesStatements(step)) return runStatements(client, step.text, values);
  const rows: Record<string, unknown>[] = [];
  for (const statement of await generatedStatements(client, step, values)) {
    const { command } = await client.query(statement);
    rows.push({ statement, result: command });
  }
  return { columns: ["statement", "result"], rows, exit: 0, output: "" };
}

/** Whether a step runs what its query returns. */
export function generatesStatements({ language, text }: Step): boolean {
  return language === "sql" && gexec.test(text);
}

/** The statements that a step generates, as things stand now. Reads only. */
export function statementsToRun(client: pg.ClientBase, step: Step, values: Values): Promise<string[]> {
  return readOnly(client, () => generatedStatements(client, step, values));
}

async function generatedStatements(client: pg.ClientBase, step: Step, values: Values): Promise<string[]> {
  const { columns, rows } = await runStatements(client, step.text.replace(gexec, ""), values);
  return rows.flatMap((row) => columns.map((column) => row[column])).filter((text) => typeof text === "string");
}

async function runStatements(client: pg.ClientBase, text: string, values: Values): Promise<Outcome> {
  let outcome: Outcome = { columns: [], rows: [], exit: 0, output: "" };
  for (const statement of splitStatements(text)) {
    const { rows, fields } = await client.query(bind(statement.text, values));
    if (fields.length > 0) outcome = { ...outcome, rows, columns: fields.map(({ name }) => name) };
  }
  return outcome;
}

async function readOnly<T>(client: pg.ClientBase, work: () => Promise<T>): Promise<T> {
  await client.query("begin transaction read only");
  try {
    await client.query("select set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true)", [
      lockTimeout,
      readTimeout,
    ]);
    return await work();
  } finally {
    await client.query("rollback").catch(() => {});
  }
}
