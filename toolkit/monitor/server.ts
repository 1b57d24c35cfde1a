import type { Queryable } from "../queryable.ts";

/** Which server answered, and what it lets this role see. */
export interface Server {
  /** As 17.10. */
  version: string;
  /** As 170010. */
  versionNumber: number;
  database: string;
  role: "primary" | "replica";
  /** When it started, as an ISO time in UTC. */
  startedAt: string;
  /** Since when this database's counters count; null when they never were reset. */
  statisticsSince: string | null;
  /** Bytes of a page: 8192, unless it was compiled otherwise. */
  pageBytes: number;
  /** Whether the role sees other users' sessions and statements. */
  seesSessions: boolean;
  /** Whether it may read pg_statistic itself, and not only the view of what it may select. */
  readsStatistics: boolean;
}

/** What a role without pg_read_all_stats is told, where it matters. */
export const sessionsHidden =
  "Other users' sessions are hidden from this role: grant pg_monitor to it (on RDS as well) to see them.";

/** Reads what the server is. */
export async function readServer(client: Queryable): Promise<Server> {
  const { rows } = await client.query<Server>(`
    select split_part(current_setting('server_version'), ' ', 1) as version,
           current_setting('server_version_num')::int as "versionNumber",
           current_database() as database,
           case when pg_is_in_recovery() then 'replica' else 'primary' end as role,
           to_char(pg_postmaster_start_time() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "startedAt",
           to_char(pg_stat_get_db_stat_reset_time(oid) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
             as "statisticsSince",
           current_setting('block_size')::int as "pageBytes",
           pg_has_role('pg_read_all_stats', 'usage') as "seesSessions",
           has_table_privilege('pg_catalog.pg_statistic', 'select') as "readsStatistics"
    from pg_database where datname = current_database()`);
  return rows[0]!;
}
