import type pg from "pg";
import { messageOf, UserError } from "../errors.ts";
import { lineAt, type Statement, splitStatements } from "./statements.ts";

/** What went to the server last. */
export interface Sent {
  sql: string;
  /** How many of its statements were done; below 0 where not even its transaction was begun. */
  completed: number;
  /** How many rows all that was sent has changed. */
  rows: number;
}

/** Nothing has gone to the server yet. */
export function nothingSent(): Sent {
  return { sql: "", completed: 0, rows: 0 };
}

/** What a message about a failed migration needs to know. */
export interface Attempt {
  name: string;
  file: string;
  direction: "up" | "down";
  transactional: boolean;
  sent: Sent;
  /** What a migration without a transaction left behind, a whole sentence. */
  left?: string | undefined;
  /** The migrations of its run that came before it are undone now. */
  goesBack?: boolean | undefined;
}

/** The session is gone: what became of the migration is found out by the next run. */
export class ConnectionLost extends UserError {}

// Lines shown around the one that PostgreSQL points at.
const around = 2;
// Lines shown of a statement when PostgreSQL points nowhere in it.
const head = 6;

/** Whether an error means that the session is gone, rather than that a statement failed. */
export function isConnectionLost(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? "";
  // Class 08 and 57P0x of https://www.postgresql.org/docs/current/errcodes-appendix.html
  return /^(08|57P0)/.test(code) || /^(ECONN|EPIPE|ETIMEDOUT)/.test(code) || isFromDriver(error);
}

/** Whether the driver says that it has no connection any more; such an error has no code. */
function isFromDriver(error: unknown): boolean {
  return !isFromServer(error) && /^Connection terminated|is not queryable$/.test(messageOf(error));
}

/** Makes of whatever a migration failed with an error that says what, where, why, and what to do. */
export function explainFailure(error: unknown, attempt: Attempt): UserError {
  const { name, file, direction, transactional, sent } = attempt;
  const doing = direction === "up" ? name : `undoing ${name}`;
  if (isConnectionLost(error))
    return new ConnectionLost(`the connection to the server was lost during ${doing}`, {
      why: messageOf(error),
      fix: "Run `up` again once the server answers: it finds out how far this run came, and goes on from there.",
      cause: error,
    });
  const stay = attempt.goesBack ? "" : "; the migrations before it stay applied";
  const left = transactional ? "It left nothing behind" : (attempt.left ?? "It may have left something behind");
  return new UserError(`${doing} failed: ${messageOf(error)}`, {
    why: isFromServer(error) ? whereInSql(error, sent) : "The migration's own code fails.",
    fix:
      direction === "up"
        ? `Correct ${file}, then run \`up\` again. ${left}${stay}.`
        : `Correct the down of ${file}, then undo it again. ${left}; it stays applied.`,
    cause: error,
  });
}

/** {@link explainFailure}, for an error that may be explained already. */
export function explained(
  error: unknown,
  { name, file }: Pick<Attempt, "name" | "file">,
  attempt: Omit<Attempt, "name" | "file">,
): UserError {
  return error instanceof UserError ? error : explainFailure(error, { ...attempt, name, file });
}

function isFromServer(error: unknown): error is pg.DatabaseError {
  return Boolean((error as { severity?: string }).severity);
}

/** The SQLSTATE, and the place in the text that was sent, with its surroundings. */
function whereInSql(error: pg.DatabaseError, { sql, completed }: Sent): string {
  const text = `${sql.replace(/[\s;]+$/, "")};`;
  const lines = text.split("\n");
  const pointed = error.position ? lineAt(text, Number(error.position) - 1) : undefined;
  const part = partOf(text, completed);
  const [from, to] = pointed
    ? [Math.max(1, pointed - around), Math.min(lines.length, pointed + around)]
    : [part.line, Math.min(part.line + head - 1, lines.length, part.line + part.text.split("\n").length - 1)];
  const shown = lines.slice(from - 1, to).map((line, index) => {
    const number = from + index;
    return `    ${number === pointed ? ">" : " "} ${String(number).padStart(3)}  ${line}`;
  });
  if (to < lines.length) shown.push("           …");
  const extra = { detail: error.detail, hint: error.hint, context: error.where };
  return [
    `SQLSTATE ${error.code} at line ${pointed ?? part.line} of its SQL:`,
    ...shown,
    ...Object.entries(extra).flatMap(([label, words]) => (words ? [`    ${label}: ${words}`] : [])),
  ].join("\n");
}

/** The statement that failed, by the number of those before it that were done. */
function partOf(text: string, completed: number): Statement {
  try {
    return splitStatements(text)[Math.max(completed, 0)] ?? { text, line: 1 };
  } catch {
    return { text, line: 1 };
  }
}
