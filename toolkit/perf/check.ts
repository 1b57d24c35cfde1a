import type { Connection } from "../connection.ts";
import { messageOf, UserError } from "../errors.ts";
import type { AnyQuery } from "../queries/index.ts";
import type { Given, OptionTable } from "../queries/options.ts";
import type { Baseline } from "./baseline.ts";
import type { Read } from "./session.ts";

/** skipped: there was nothing to judge, and `said` tells why. */
export type Verdict = "passed" | "failed" | "skipped";

/** What was found of one thing. The unit of a figure ends its name. */
export interface Row {
  /** The index, query, table or step that it is about. */
  subject: string;
  verdict: Verdict;
  figures: Record<string, number | string | number[]>;
  /** What is wrong, or why nothing was judged: a sentence. */
  said?: string;
}

/** A query of the application, with options that ask for something in this database. */
export interface Sampled {
  query: AnyQuery;
  options: Given<OptionTable>;
}

/** What every check works with. */
export interface Session {
  /** One session, by transactions that can only read, and in which each statement has a time limit. */
  read: Read;
  /** Whether it goes through a connection pooler, which may give each transaction another session. */
  pooled: boolean;
  connection: Connection;
  /** Milliseconds after which the server ends a statement. */
  statementTimeout: number;
  /** The most connections that are opened at once. */
  connections: number;
  queries: Sampled[];
  baseline: Baseline | undefined;
}

/** One check of a database. It reads only. */
export interface Check {
  /** As in JSON: lower case, joined by hyphens. */
  name: string;
  title: string;
  /** Whether it asks the application's queries, and so says nothing of another database. */
  needsQueries: boolean;
  /** Its part of the time that measuring may take. */
  share: number;
  /** @param seconds how long it may measure */
  ask(session: Session, seconds: number): Promise<Row[]>;
}

/**
 * The row of something that the server refused or that took too long.
 * @throws the error, where it is neither
 */
export function rowOfFailure(subject: string, error: unknown, { statementTimeout }: Session): Row {
  const { code } = error as { code?: string };
  if (code === "57014")
    return { subject, verdict: "failed", figures: {}, said: `It did not end within ${statementTimeout} ms.` };
  if (code === "42501") return { subject, verdict: "skipped", figures: {}, said: `${messageOf(error)}.` };
  if (error instanceof UserError)
    return { subject, verdict: "skipped", figures: {}, said: `${error.message.split("\n")[0]}.` };
  throw error;
}
