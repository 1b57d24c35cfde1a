import type { Statement } from "../statements.ts";
import { type Reading, read } from "./reading.ts";

/** A piece of SQL that hazards are looked for in: a statement of a migration, or one that its DO block runs. */
export interface Part {
  /** Position of the statement in its migration, from 0. */
  statement: number;
  text: string;
  reading: Reading;
  /** It stands in a DO block, where PL/pgSQL adds to the syntax of SQL. */
  inBlock: boolean;
}

/** The statements of a migration, each followed by what it runs itself. */
export async function partsOf(statements: readonly Statement[]): Promise<Part[]> {
  const parts = statements.map(async ({ text }, statement) => [
    { statement, text, reading: read(text), inBlock: false },
    ...(await insideBlock(text)).map((inner) => ({ statement, text: inner, reading: read(inner), inBlock: true })),
  ]);
  return (await Promise.all(parts)).flat();
}

const block = /^do\b(?!.*\blanguage\s+(?!plpgsql\b|'plpgsql'|''))/i;

/**
 * The SQL that a DO block of PL/pgSQL runs, whichever way its conditions go: statements, and those that EXECUTE gets as
 * a constant. What it puts together while it runs only a run on a copy of the schema shows.
 */
async function insideBlock(text: string): Promise<string[]> {
  if (!block.test(read(text).code)) return [];
  // Loaded only where it is needed: it is a WebAssembly module.
  const { loadModule, parsePlPgSQLSync } = await import("libpg-query");
  await loadModule();
  try {
    return sqlIn(parsePlPgSQLSync(text));
  } catch {
    // The server says what is wrong with it, in better words.
    return [];
  }
}

function sqlIn(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(sqlIn);
  if (typeof node !== "object" || node === null) return [];
  return Object.entries(node).flatMap(([kind, child]) => {
    if (kind === "PLpgSQL_stmt_execsql") return [queryOf(child.sqlstmt)];
    if (kind === "PLpgSQL_stmt_dynexecute") return constantIn(queryOf(child.query));
    return sqlIn(child);
  });
}

const queryOf = (expression: { PLpgSQL_expr: { query: string } }) => expression.PLpgSQL_expr.query;

/** What an expression is that is a string and nothing more. */
function constantIn(expression: string): string[] {
  const plain = /^\s*'((?:''|[^'])*)'\s*$/.exec(expression)?.[1]?.replaceAll("''", "'");
  const dollars = /^\s*(\$\w*\$)((?:(?!\1)[\s\S])*)\1\s*$/.exec(expression)?.[2];
  return [plain ?? dollars ?? []].flat();
}
