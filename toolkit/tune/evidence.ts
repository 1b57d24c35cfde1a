import type { Queryable } from "../queryable.ts";
import { thresholds } from "./thresholds.ts";

/** What the counters of a live database say that bears on its parameters. */
export interface Evidence {
  /** Since when the database's counters count, as an ISO time in UTC; null when they never were reset. */
  since: string | null;
  /** Sessions of clients that are open now. */
  sessions: number;
  /** Temporary files that this database wrote, and their bytes together. */
  tempFiles: number;
  tempBytes: number;
  /** Share of the blocks that were not found in shared_buffers; 0 where too few were read to tell. */
  missShare: number;
  databaseBytes: number;
  checkpointsTimed: number;
  checkpointsRequested: number;
  /** Tables with twice as many dead rows as autovacuum waits for. */
  tablesBehind: number;
}

/** One parameter as the server has it. */
export interface Setting {
  name: string;
  /** In `unit`. */
  setting: string;
  unit: string | null;
  /** Whether a change takes a restart. */
  restart: boolean;
}

// PostgreSQL 17 moved the counters of checkpoints into a view of their own.
const checkpoints = (version: number) =>
  version >= 170_000
    ? "select num_timed as timed, num_requested as requested from pg_stat_checkpointer"
    : "select checkpoints_timed as timed, checkpoints_req as requested from pg_stat_bgwriter";

/** Reads the evidence. It reads catalogs and counters only. */
export async function readEvidence(db: Queryable): Promise<Evidence> {
  const version = await db.query("select current_setting('server_version_num')::int as number");
  const { rows } = await db.query<Evidence>(
    `
    select to_char(stats_reset at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as since,
           (select sum(numbackends)::int from pg_stat_database) as sessions,
           temp_files::float8 as "tempFiles", temp_bytes::float8 as "tempBytes",
           case when blks_hit + blks_read < $1 then 0 else blks_read::float8 / (blks_hit + blks_read) end as "missShare",
           pg_database_size(datid)::float8 as "databaseBytes",
           timed::float8 as "checkpointsTimed", requested::float8 as "checkpointsRequested",
           (select count(*)::int from pg_stat_user_tables t join pg_class c on c.oid = t.relid
            where n_dead_tup > $2 * (current_setting('autovacuum_vacuum_threshold')::float8
                                    + current_setting('autovacuum_vacuum_scale_factor')::float8 * greatest(reltuples, 0))
              and n_dead_tup > $3) as "tablesBehind"
    from pg_stat_database, (${checkpoints(version.rows[0].number)}) c
    where datname = current_database()`,
    [thresholds.leastPages.value, thresholds.vacuumDelay.value, thresholds.leastDeadRows.value],
  );
  return rows[0]!;
}

/** Reads parameters as the server has them, by name. */
export async function readSettings(db: Queryable, names: readonly string[]): Promise<Map<string, Setting>> {
  const { rows } = await db.query<Setting>(
    `select name, reset_val as setting, unit, context = 'postmaster' as restart from pg_settings where name = any ($1)`,
    [names],
  );
  return new Map(rows.map((row) => [row.name, row]));
}
