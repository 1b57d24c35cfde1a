import { count } from "../terminal.ts";
import type { Database } from "./database.ts";
import { type Finding, question } from "./question.ts";
import { docs } from "./sources.ts";
import { duration, percent, share } from "./texts.ts";

interface Row {
  /** Checkpoints by the clock, and those that WAL or somebody asked for. */
  timed: number;
  requested: number;
  requestedPercent: number;
  writeSeconds: number;
  syncSeconds: number;
  /** Pages that sessions had to write themselves; null from PostgreSQL 17 on, which counts them elsewhere. */
  writtenBySessions: number | null;
  countedSeconds: number;
  walBytes: number;
  walBytesPerSecond: number;
  fullPageImages: number;
  walBuffersFull: number;
  archived: number;
  archiveFailures: number;
}

interface Counters extends Omit<Row, "requestedPercent" | "walBytesPerSecond"> {
  walSeconds: number;
  archiveFails: boolean;
  lastFailedFile: string | null;
}

// PostgreSQL 17 moved what concerns checkpoints to a view of its own.
const checkpointer = {
  since17: `select num_timed as timed, num_requested as requested, write_time, sync_time, null::bigint as by_sessions,
                   stats_reset from pg_stat_checkpointer`,
  before: `select checkpoints_timed as timed, checkpoints_req as requested, checkpoint_write_time as write_time,
                  checkpoint_sync_time as sync_time, buffers_backend as by_sessions, stats_reset from pg_stat_bgwriter`,
};

/** Checkpoints, the write-ahead log, and its archive. */
export const checkpoints = question<Row, "requestedPercent" | "leastCheckpoints" | "walBuffersFull">({
  name: "checkpoints",
  title: "Is WAL written, and archived, as it should be?",
  thresholds: {
    requestedPercent: {
      value: 50,
      unit: "%",
      why: "Most checkpoints should come by the clock: the others hurry, and write more full pages.",
      source: `${docs}/wal-configuration.html`,
    },
    leastCheckpoints: {
      value: 20,
      unit: "checkpoints",
      why: "A share of a few tells nothing: a start, a backup and a load ask for some.",
      source: `${docs}/monitoring-stats.html#MONITORING-PG-STAT-CHECKPOINTER-VIEW`,
    },
    walBuffersFull: {
      value: 10_000,
      unit: "times",
      why: "Each time a session wrote WAL itself instead of working.",
      source: `${docs}/runtime-config-wal.html#GUC-WAL-BUFFERS`,
    },
  },
  async ask(database, limits) {
    const { walSeconds, archiveFails, lastFailedFile, ...counters } = await read(database);
    const row = {
      ...counters,
      requestedPercent: share(counters.requested, counters.timed + counters.requested),
      walBytesPerSecond: walSeconds > 0 ? counters.walBytes / walSeconds : 0,
    };
    const findings: Finding[] = [];
    if (archiveFails)
      findings.push({
        severity: "critical",
        object: "",
        what: `WAL is not archived: ${count(row.archiveFailures)} attempts failed, the last one on ${lastFailedFile}.`,
        why: "Every segment stays until it is archived: the disk fills, and a restore ends where the archive ends.",
        fix: "Look into the server's log for what archive_command says, and correct that.",
        runbook: "disk-nearly-full",
      });
    if (row.timed + row.requested >= limits.leastCheckpoints && row.requestedPercent >= limits.requestedPercent)
      findings.push({
        severity: "warning",
        object: "",
        what: `${percent(row.requestedPercent)} of ${count(row.timed + row.requested)} checkpoints in ${duration(row.countedSeconds)} did not come by the clock.`,
        why: "Checkpoints that follow each other closely write full pages again and again.",
        fix: "Raise max_wal_size, so that checkpoint_timeout decides.",
      });
    if (row.walBuffersFull >= limits.walBuffersFull)
      findings.push({
        severity: "notice",
        object: "",
        what: `The buffers for WAL were full ${count(row.walBuffersFull)} times.`,
        why: "The session that finds them full writes to disk before it goes on.",
        fix: "Raise wal_buffers (to 16MB and more); it takes a restart.",
      });
    return { rows: [row], findings };
  },
});

async function read(database: Database): Promise<Counters> {
  const { rows } = await database.query<Counters>(`
    select c.timed::float8 as timed, c.requested::float8 as requested, c.write_time / 1000 as "writeSeconds",
           c.sync_time / 1000 as "syncSeconds", c.by_sessions::float8 as "writtenBySessions",
           extract(epoch from clock_timestamp() - c.stats_reset)::float8 as "countedSeconds",
           w.wal_bytes::float8 as "walBytes", w.wal_fpi::float8 as "fullPageImages",
           w.wal_buffers_full::float8 as "walBuffersFull",
           extract(epoch from clock_timestamp() - w.stats_reset)::float8 as "walSeconds",
           a.archived_count::float8 as archived, a.failed_count::float8 as "archiveFailures",
           coalesce(a.last_failed_time > coalesce(a.last_archived_time, '-infinity'), false) as "archiveFails",
           a.last_failed_wal as "lastFailedFile"
    from (${database.server.versionNumber >= 170_000 ? checkpointer.since17 : checkpointer.before}) c,
         pg_stat_wal w, pg_stat_archiver a`);
  return rows[0]!;
}
