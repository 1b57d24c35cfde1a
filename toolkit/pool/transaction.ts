import type pg from "pg";
import { messageOf, UserError } from "../errors.ts";

/** How a transaction runs. */
export interface TransactionOptions {
  /** The server's default when left out. */
  isolation?: "read committed" | "repeatable read" | "serializable";
  readOnly?: boolean;
  /** How often it is repeated after a serialization failure or a deadlock; 3 when left out. */
  retries?: number;
  /** Milliseconds that each of its statements may take, instead of the pool's statementTimeout. */
  statementTimeout?: number;
}

/** The statement that begins a transaction. */
export function beginStatement(
  { isolation, readOnly }: TransactionOptions,
  statementTimeout: number | undefined,
): string {
  const modes = [isolation && `isolation level ${isolation}`, readOnly && "read only"].filter(Boolean).join(", ");
  const begin = modes ? `begin ${modes}` : "begin";
  // In the same message: it costs no round trip.
  return statementTimeout === undefined ? begin : `${begin}; set local statement_timeout = ${statementTimeout}`;
}

/**
 * Commits.
 * @throws UserError when the server rolled back instead, or when its answer did not arrive
 */
export async function commit(client: pg.ClientBase, isLost: () => boolean): Promise<void> {
  let done: pg.QueryResult;
  try {
    done = await client.query("commit");
  } catch (error) {
    if (!isLost()) throw error;
    throw new UserError("it is not known whether the transaction was committed", {
      why: `The connection was lost while it was: ${messageOf(error)}`,
      fix: "Look for what it wrote before it is done again, or write in a way that may be repeated (on conflict do nothing).",
      cause: error,
    });
  }
  // PostgreSQL answers a commit of a failed transaction with ROLLBACK, and calls it no error.
  if (done.command === "ROLLBACK")
    throw new UserError("the transaction was rolled back, not committed", {
      why: "One of its statements failed, and its error was caught on the way.",
      fix: "Let the error through, or set a savepoint before a statement that may fail.",
    });
}
