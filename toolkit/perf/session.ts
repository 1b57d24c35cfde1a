import pg from "pg";
import { type Connection, withClient } from "../connection.ts";
import { queries } from "../queries/index.ts";
import { sampleOptions } from "../queries/query.ts";
import type { Sampled } from "./check.ts";

/** Makes a session one that can only read, and that never waits long for a lock. */
export const readOnly = "set default_transaction_read_only = on; set lock_timeout = '1s'";

/** Milliseconds after which the server ends a statement of the test. */
export const statementTimeout = 10_000;

/** Opens a session that can only read. */
export function withReader<T>(connection: Connection, work: (client: pg.Client) => Promise<T>): Promise<T> {
  return withClient(connection, { applicationName: "test performance", statementTimeout }, async (client) => {
    await client.query(readOnly);
    return work(client);
  });
}

/** The queries of the application that have something to ask for in this database, and the names of the others. */
export async function findQueries(client: pg.ClientBase): Promise<{ queries: Sampled[]; left: string[] }> {
  const [found, left]: [Sampled[], string[]] = [[], []];
  for (const query of queries) {
    const { rows } = await client.query<{ there: boolean }>(
      "select bool_and(to_regclass(name) is not null) as there from unnest($1::text[]) as name",
      [query.tables.map((table) => pg.escapeIdentifier(table))],
    );
    const options = rows[0]!.there ? await sampleOptions(client, query).catch(withoutRight) : undefined;
    if (options) found.push({ query, options });
    else left.push(query.name);
  }
  return { queries: found, left };
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
export async function roomFor(client: pg.ClientBase, wanted: number): Promise<number> {
  const { rows } = await client.query<{ left: number }>(`
    select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - (select count(*) from pg_stat_activity where backend_type = 'client backend')::int as left`);
  return Math.max(Math.min(wanted, Math.floor(rows[0]!.left / 2)), 1);
}
