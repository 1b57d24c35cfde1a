import { cacheHits } from "../monitor/cacheHits.ts";
import { locks } from "../monitor/locks.ts";
import type { Severity } from "../monitor/question.ts";
import type { Snapshot } from "../monitor/snapshot.ts";
import { transactions } from "../monitor/transactions.ts";
import { rowsOf } from "../status/sampler.ts";
import { sessions } from "../status/sessions.ts";
import { traffic } from "../status/traffic.ts";
import { highest, one } from "./samples.ts";
import type { Metric } from "./table.ts";

const trafficOf = (taken: Snapshot) => rowsOf(taken, traffic)[0];

const counted = (
  name: `pg_${string}`,
  help: string,
  figure: keyof NonNullable<ReturnType<typeof trafficOf>>,
): Metric => ({
  ...{ name, type: "counter", help },
  read: (taken) => one(trafficOf(taken)?.[figure]),
});

// What pg_stat_activity can say, and "hidden" to a role that may not see it: fixed, so that a state that nobody is in is 0.
const states = [
  ...["active", "idle", "idle in transaction", "idle in transaction (aborted)", "fastpath function call"],
  ...["disabled", "hidden"],
];

const severities: Severity[] = ["critical", "warning", "notice"];

const idleTransactions = (taken: Snapshot) =>
  rowsOf(taken, transactions).filter(({ state }) => state.startsWith("idle in transaction"));

/** What is said of the database that is monitored as a whole. */
export const databaseMetrics: Metric[] = [
  {
    ...{ name: "pg_findings", type: "gauge", labels: ["question", "severity"] },
    help: "Findings of `toolkit check`: what is wrong by its thresholds.",
    read: ({ answers }) =>
      Object.entries(answers).flatMap(([question, { findings }]) =>
        severities.map((severity) => ({
          value: findings.filter((finding) => finding.severity === severity).length,
          labels: { question, severity },
        })),
      ),
  },
  {
    ...{ name: "pg_question_unavailable", type: "gauge", labels: ["question"] },
    help: "1 where a question of `toolkit check` could not be asked, or not wholly.",
    read: ({ answers }) =>
      Object.entries(answers).map(([question, { unavailable }]) => ({
        ...{ value: Number(unavailable !== undefined), labels: { question } },
      })),
  },
  {
    ...{ name: "pg_findings_critical", type: "gauge" },
    help: "Critical findings of all questions.",
    read: ({ findings }) => one(findings.filter(({ severity }) => severity === "critical").length),
    cloudWatch: { name: "CriticalFindings", unit: "Count", worst: "highest" },
  },
  {
    ...{ name: "pg_database_size_bytes", type: "gauge", help: "Size of the database." },
    read: (taken) => one(trafficOf(taken)?.sizeBytes),
    cloudWatch: { name: "DatabaseSize", unit: "Bytes", worst: "highest" },
  },
  counted("pg_stat_database_xact_commit_total", "Transactions that were committed.", "commits"),
  counted("pg_stat_database_xact_rollback_total", "Transactions that were rolled back.", "rollbacks"),
  counted("pg_stat_database_blks_read_total", "Pages that were not in shared_buffers.", "pagesRead"),
  counted("pg_stat_database_blks_hit_total", "Pages that were in shared_buffers.", "pagesHit"),
  counted("pg_stat_database_tup_returned_total", "Rows and index entries that scans read.", "rowsReturned"),
  counted("pg_stat_database_tup_fetched_total", "Rows that index scans fetched.", "rowsFetched"),
  counted("pg_stat_database_tup_inserted_total", "Rows that were inserted.", "inserted"),
  counted("pg_stat_database_tup_updated_total", "Rows that were updated.", "updated"),
  counted("pg_stat_database_tup_deleted_total", "Rows that were deleted.", "deleted"),
  counted("pg_stat_database_temp_files_total", "Temporary files of sorts and joins.", "temporaryFiles"),
  counted("pg_stat_database_temp_bytes_total", "Bytes of temporary files.", "temporaryBytes"),
  counted("pg_stat_database_deadlocks_total", "Deadlocks.", "deadlocks"),
  counted("pg_stat_database_conflicts_total", "Queries that were cancelled on a replica.", "conflicts"),
  {
    ...{ name: "pg_cache_hit_percent", type: "gauge" },
    help: "Of the pages asked for since the counters were reset, how many were in shared_buffers.",
    read: (taken) => one(rowsOf(taken, cacheHits).find(({ kind }) => kind === "database")?.hitPercent),
    cloudWatch: { name: "CacheHits", unit: "Percent", worst: "lowest" },
  },
  {
    ...{ name: "pg_cache_pages_asked", type: "gauge" },
    help: "Pages asked for since the counters were reset.",
    read: (taken) => rowsOf(taken, traffic).flatMap(({ pagesHit, pagesRead }) => one(pagesHit + pagesRead)),
  },
  {
    ...{ name: "pg_stat_activity_count", type: "gauge", labels: ["state"], help: "Sessions of clients by state." },
    read(taken) {
      const found = rowsOf(taken, sessions);
      return states.map((state) => ({
        ...{ value: found.filter((session) => session.state === state).length, labels: { state } },
      }));
    },
  },
  {
    ...{ name: "pg_stat_activity_max_tx_duration_seconds", type: "gauge" },
    help: "Age of the oldest transaction of a session.",
    read: (taken) => highest(sessionTransactions(taken).map(({ transactionSeconds }) => transactionSeconds)),
    cloudWatch: { name: "OldestTransaction", unit: "Seconds", worst: "highest" },
  },
  {
    ...{ name: "pg_stat_activity_max_idle_in_transaction_seconds", type: "gauge" },
    help: "The longest time that a session has been idle in a transaction.",
    read: (taken) => highest(idleTransactions(taken).map(({ stateSeconds }) => stateSeconds)),
    cloudWatch: { name: "IdleInTransaction", unit: "Seconds", worst: "highest" },
  },
  {
    ...{ name: "pg_snapshot_max_age_transactions", type: "gauge" },
    help: "Transactions since the oldest snapshot that a session holds: vacuum removes nothing younger.",
    read: (taken) => highest(sessionTransactions(taken).map(({ snapshotAge }) => snapshotAge)),
  },
  {
    ...{ name: "pg_prepared_xacts_max_age_seconds", type: "gauge" },
    help: "Age of the oldest prepared transaction.",
    read: (taken) =>
      highest(
        rowsOf(taken, transactions)
          .filter(({ kind }) => kind === "prepared transaction")
          .map(({ transactionSeconds }) => transactionSeconds),
      ),
  },
  {
    ...{ name: "pg_locks_waiting_sessions", type: "gauge", help: "Sessions that wait for a lock behind one culprit." },
    read: (taken) => highest(rowsOf(taken, locks).map(({ depth, waiting }) => (depth === 0 ? waiting : 0))),
    cloudWatch: { name: "SessionsWaitingForLock", unit: "Count", worst: "highest" },
  },
  {
    ...{ name: "pg_locks_max_wait_seconds", type: "gauge", help: "The longest time that a session waits for a lock." },
    read: (taken) => highest(rowsOf(taken, locks).map(({ waitSeconds }) => waitSeconds)),
    cloudWatch: { name: "LockWait", unit: "Seconds", worst: "highest" },
  },
];

function sessionTransactions(taken: Snapshot) {
  return rowsOf(taken, transactions).filter(({ kind }) => kind === "session");
}
