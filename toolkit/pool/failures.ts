import { messageOf } from "../errors.ts";

/**
 * Which failures mean what. SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */

/** Failures to connect that pass by themselves: a restart, a failover, a full server, a network that is away. */
const passing = new Set([
  ...["ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EPIPE", "EHOSTUNREACH", "ENETUNREACH", "EAI_AGAIN"],
  ...["08000", "08001", "08003", "08004", "08006", "53300", "57P01", "57P02", "57P03"],
]);

// pg's own words, for it gives them no code; PgBouncer's, which come as 08P01, as do its "no such database" and the like.
const passingWords =
  /timeout expired|connection timeout|timeout exceeded|Connection terminated|server login|server_login_retry|cannot connect to server|server conn crashed|shutting down/i;

/** Whether trying to connect again may help. A wrong password or name stays wrong. */
export function isPassing(error: unknown): boolean {
  const inner = error instanceof AggregateError ? error.errors[0] : error;
  return passing.has(codeOf(inner)) || passingWords.test(messageOf(inner));
}

/** Whether the server says goodbye with this error: it, or PgBouncer, closes the connection next. */
export function isGoodbye(error: unknown): boolean {
  return /^(57P0[1-5]|25P03|08...)$/.test(codeOf(error));
}

/** Whether a statement was refused before a byte of it was sent: pg checks its state first. */
export function neverSent(error: unknown): boolean {
  return /^Client (has encountered a connection error and|was closed and) is not queryable$/.test(messageOf(error));
}

/** read_only_sql_transaction: where we asked for nothing of the kind, the primary behind it has become a standby. */
export function isDemoted(error: unknown): boolean {
  return codeOf(error) === "25006";
}

/** serialization_failure, deadlock_detected: the transaction is undone, and the same again may succeed. */
export function isWorthRepeating(error: unknown): boolean {
  return ["40001", "40P01"].includes(codeOf(error));
}

/** The SQLSTATE or the system's code of an error; empty where it has none. */
export function codeOf(error: unknown): string {
  return (error as { code?: string } | null | undefined)?.code ?? "";
}

/** Milliseconds before another attempt: doubling from `first` to `longest`, and random, so that a crowd spreads. */
export function backoff(attempt: number, first: number, longest: number): number {
  return Math.min(first * 2 ** (attempt - 1), longest) * (0.5 + Math.random() / 2);
}
