import type { Queryable } from "../queryable.ts";

/**
 * Names of the functions that may write when a SELECT calls them. Only a volatile one may, and one that is declared safe
 * in parallel queries does not; those of PostgreSQL itself write no table.
 * https://www.postgresql.org/docs/current/xfunc-volatility.html
 * https://www.postgresql.org/docs/current/parallel-safety.html
 */
export async function readWritingFunctions(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ proname: string }>(
    `select distinct proname from pg_proc
     where provolatile = 'v' and proparallel <> 's' and prokind = 'f'
       and prorettype <> all (array['trigger', 'event_trigger']::regtype[])
       and pronamespace <> all (array['pg_catalog', 'information_schema']::regnamespace[])`,
  );
  return rows.map(({ proname }) => proname);
}
