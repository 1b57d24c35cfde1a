import pg from "pg";
import { type Connection, withClient } from "../connection.ts";
import { queries } from "../queries/index.ts";
import { sampleOptions } from "../queries/query.ts";
import type { Sampled } from "./check.ts";

/** Milliseconds after which the server ends a statement of the test. */
export const statementTimeout = 10_000;

// In the transaction, not in the session: behind a pooler a session's settings stay in a connection that others use.
const beginReading = `begin read only; set local statement_timeout = ${statementTimeout}; set local lock_timeout = '1s'`;

/** Gives some work a transaction that can only read, and that never waits long for a lock. */
export type Read = <T>(work: (client: pg.Client) => Promise<T>) => Promise<T>;

/** What gives one session's work its transactions, one at a time. */
export function readerOf(client: pg.Client): Read {
  return async (work) => {
    await client.query(beginReading);
    try {
      const result = await work(client);
      await client.query("commit");
      return result;
    } catch (error) {
      await client.query("rollback").catch(() => {});
      throw error;
    }
  };
}

/** Opens a session for reading. @param work gets also whether it goes through a connection pooler, such as PgBouncer */
export function withReader<T>(connection: Connection, work: (read: Read, pooled: boolean) => Promise<T>): Promise<T> {
  return withClient(connection, { applicationName: "test performance" }, async (client) => {
    const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    // A pooler makes up the process that it tells when a session starts.
    const told = (client as unknown as { processID: number }).processID;
    return work(readerOf(client), rows[0]!.pid !== told);
  });
}

/** The queries of the application that have something to ask for in this database, and the names of the others. */
export async function findQueries(read: Read): Promise<{ queries: Sampled[]; left: string[] }> {
  const [found, left]: [Sampled[], string[]] = [[], []];
  for (const query of queries) {
    const options = (await areThere(read, query.tables))
      ? await read((client) => sampleOptions(client, query)).catch(withoutRight)
      : undefined;
    if (options) found.push({ query, options });
    else left.push(query.name);
  }
  return { queries: found, left };
}

/** Whether all of some tables are in the database. */
export async function areThere(read: Read, tables: readonly string[]): Promise<boolean> {
  const { rows } = await read((client) =>
    client.query<{ there: boolean }>(
      "select bool_and(to_regclass(name) is not null) as there from unnest($1::text[]) as name",
      [tables.map((table) => pg.escapeIdentifier(table))],
    ),
  );
  return rows[0]!.there;
}

/** A query that this role may not ask, or of a view that was never filled, is left out. */
function withoutRight(error: { code?: string }): undefined {
  if (error.code === "42501" || error.code === "55000") return undefined;
  throw error;
}

/**
 * How many connections the test may open: half of those that are left, for others need some too.
 * @param wanted the most that it should
 */
export async function roomFor(read: Read, wanted: number): Promise<number> {
  const { rows } = await read((client) =>
    client.query<{ left: number }>(`
      select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
             - (select count(*) from pg_stat_activity where backend_type = 'client backend')::int as left`),
  );
  return Math.max(Math.min(wanted, Math.floor(rows[0]!.left / 2)), 1);
}
