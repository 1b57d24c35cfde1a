import { question } from "../monitor/question.ts";

interface Row {
  commits: number;
  rollbacks: number;
  pagesRead: number;
  pagesHit: number;
  rowsReturned: number;
  rowsFetched: number;
  inserted: number;
  updated: number;
  deleted: number;
  temporaryFiles: number;
  temporaryBytes: number;
  deadlocks: number;
  conflicts: number;
  sizeBytes: number;
}

/** What this database has done since its counters were reset, and its size now; two answers make rates. */
export const traffic = question<Row, never>({
  name: "traffic",
  title: "What has the database done?",
  thresholds: {},
  async ask(database) {
    const { rows } = await database.query<Row>(`
      select xact_commit::float8 as commits, xact_rollback::float8 as rollbacks, blks_read::float8 as "pagesRead",
             blks_hit::float8 as "pagesHit", tup_returned::float8 as "rowsReturned", tup_fetched::float8 as "rowsFetched",
             tup_inserted::float8 as inserted, tup_updated::float8 as updated, tup_deleted::float8 as deleted,
             temp_files::float8 as "temporaryFiles", temp_bytes::float8 as "temporaryBytes",
             deadlocks::float8 as deadlocks, conflicts::float8 as conflicts,
             pg_database_size(datid)::float8 as "sizeBytes"
      from pg_stat_database where datname = current_database()`);
    return { rows, findings: [] };
  },
});
