import pg from "pg";
import { statement } from "../monitor/texts.ts";
import type { Queryable } from "../queryable.ts";
import type { Sample } from "./metrics.ts";

// Those that take nearly all of the time of nearly every application.
const mostStatements = 100;

/** What a snapshot gives only as ratios: the counters of this database, and the sizes. */
export async function readCounters(client: Queryable): Promise<Sample[]> {
  const { rows } = await client.query<Record<string, number>>(`
    select xact_commit::float8 as "transactions.committed", xact_rollback::float8 as "transactions.rolledBack",
           deadlocks::float8 as "transactions.deadlocks", blks_hit::float8 as "pages.hit",
           blks_read::float8 as "pages.read", temp_bytes::float8 as "temporary.bytes",
           pg_database_size(datid)::float8 as "size.database",
           (select sum(pg_database_size(oid))::float8 from pg_database
            where has_database_privilege(oid, 'connect')) as "size.databases"
    from pg_stat_database where datname = current_database()`);
  return Object.entries(rows[0]!).map(([metric, value]) => ({ metric, object: "", value }));
}

/**
 * Calls and time of the statements that took most of it; none where they are not counted. Those of several users are one.
 * @see https://www.postgresql.org/docs/current/pgstatstatements.html
 */
export async function readStatements(client: Queryable): Promise<Sample[]> {
  const { rows: found } = await client.query<{ schema: string }>(`
    select n.nspname as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'pg_stat_statements' and current_setting('pg_stat_statements.max', true) is not null`);
  if (!found[0]) return [];
  // A statement whose text is hidden from this role has no number either.
  const { rows } = await client.query<{ object: string; calls: number; seconds: number; text: string }>(
    `select queryid::text as object, sum(calls)::float8 as calls, (sum(total_exec_time) / 1000)::float8 as seconds,
            left(min(query), 2000) as text
     from ${pg.escapeIdentifier(found[0].schema)}.pg_stat_statements
     where dbid = (select oid from pg_database where datname = current_database()) and queryid is not null
     group by queryid order by 3 desc limit ${mostStatements}`,
  );
  return rows.flatMap(({ object, calls, seconds, text }) => {
    const label = statement(text);
    return [
      { metric: "statement.calls", object, value: calls, label },
      { metric: "statement.seconds", object, value: seconds, label },
    ];
  });
}
