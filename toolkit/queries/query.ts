import { createHash } from "node:crypto";
import type pg from "pg";
import Cursor from "pg-cursor";
import type { Queryable } from "../queryable.ts";
import { type Checked, type Given, type OptionTable, readOptions } from "./options.ts";

/**
 * What the plan of a query must look like, whatever the size of its tables. Two rules hold for all and are not repeated:
 * no sort or hash spills to disk, and no table of `tables` of more than a hundred blocks is read from end to end.
 */
export interface Expectation {
  /** Indexes that are read; of a partitioned table, the index of the parent. */
  indexes: readonly string[];
  /** The most partitions that are read, of each partitioned table; 0 where the query reads none. */
  partitions: number;
  /** The most buffers (8 kB each) that are touched with the options of `sample`. */
  buffers: number;
}

/** A statement with its values, prepared under a name of its own in each session. */
export interface Statement {
  name: string;
  text: string;
  values: unknown[];
}

/** One query of the application. */
export interface Query<Table extends OptionTable = OptionTable, Row extends object = object> {
  /** How it is called on the command line and in JSON: lower case, joined by hyphens. */
  name: string;
  summary: string;
  options: Table;
  expectation: Expectation;
  /** Tables and views that it reads. */
  tables: readonly string[];
  /** Gives options to try it with, as the columns of one row; where it gives none, there is nothing to ask for. */
  sample: string;
  statement(options: Checked<Table>): { text: string; values: unknown[] };
  /** Where the next page begins, of the last row: the option `after`. */
  after?(row: Row): string;
  /** Whether its result may be large, and is better streamed. */
  large?: boolean;
}

/** Rows of a query, and where it goes on. */
export interface Page<Row> {
  rows: Row[];
  /** The option `after` of the next page; undefined on the last one. */
  next?: string;
}

/** Keeps the types of a query's options and rows together. */
export function defineQuery<Row extends object>() {
  return <Table extends OptionTable>(query: Query<Table, Row>): Query<Table, Row> => query;
}

/**
 * The statement of a query. Its name holds a hash of its text, so that two versions of a query never share a plan.
 * @throws UserError for options that are not accepted
 */
export function statementOf<Table extends OptionTable, Row extends object>(
  query: Query<Table, Row>,
  given: Given<Table>,
): Statement {
  return named(query, readOptions(query.options, given, query.name));
}

function named<Table extends OptionTable, Row extends object>(
  query: Query<Table, Row>,
  options: Checked<Table>,
): Statement {
  const { text, values } = query.statement(options);
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
  return { name: `${query.name}_${hash}`, text, values };
}

/**
 * Runs a query, in one round trip.
 * @throws UserError for options that are not accepted
 */
export async function runQuery<Table extends OptionTable, Row extends object>(
  db: Queryable,
  query: Query<Table, Row>,
  given: Given<Table>,
): Promise<Page<Row>> {
  const options = readOptions(query.options, given, query.name);
  const { rows } = await db.query<Row & pg.QueryResultRow>(named(query, options));
  const last = rows.at(-1);
  const full = rows.length === (options as { limit?: number }).limit;
  return last && query.after && full ? { rows, next: query.after(last) } : { rows };
}

/**
 * Runs a query and hands out its rows as they come, in constant memory. It needs a session of its own until it ends:
 * a client, not a pool.
 * @param batch rows fetched at once
 * @throws UserError for options that are not accepted
 */
export async function* streamQuery<Table extends OptionTable, Row extends object>(
  client: pg.ClientBase,
  query: Query<Table, Row>,
  given: Given<Table>,
  batch = 1_000,
): AsyncGenerator<Row> {
  const { text, values } = statementOf(query, given);
  const cursor = client.query(new Cursor<Row>(text, values));
  try {
    for (;;) {
      const rows = await cursor.read(batch);
      if (rows.length === 0) return;
      yield* rows;
    }
  } finally {
    await cursor.close();
  }
}

/** Options to try a query with, found in the database; undefined where it has nothing to ask for. */
export async function sampleOptions<Table extends OptionTable, Row extends object>(
  db: Queryable,
  query: Query<Table, Row>,
): Promise<Given<Table> | undefined> {
  const { rows } = await db.query(query.sample);
  const found = rows[0] && Object.entries(rows[0]).filter(([, value]) => value !== null);
  return found && (Object.fromEntries(found) as Given<Table>);
}
