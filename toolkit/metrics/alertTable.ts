import type { Runbook } from "../monitor/question.ts";

/** An alert: a figure that has been beyond a limit for some time. */
export interface Alert {
  name: string;
  severity: "critical" | "warning";
  metric: string;
  /** How the figure stands when it is wrong; as the question compares it. */
  is: ">=" | "<" | ">" | "==";
  /** The threshold's full name, as `toolkit check --list` shows it; or a number where a fact has no threshold. */
  limit: string | number;
  /** What has to be so as well, for the same database. */
  and?: { metric: string; is: ">=" | "<"; limit: string };
  /** How long, as Prometheus writes it; left out, at the first scrape. */
  for?: string;
  /** One sentence; {{ $labels… }} and {{ $value }} are filled in by Prometheus. */
  summary: string;
  /** The page of runbooks/, or the question of `toolkit check` that says what to do. */
  runbook: Runbook | "restore-backup" | `check ${string}`;
  /** Why it matters, where no threshold says so. */
  why?: string;
}

// biome-ignore format: one alert, one block; the table reads better than the formatter's version
export const alertTable: Alert[] = [
  { name: "PostgresDown", severity: "critical", metric: "pg_up", is: "==", limit: 0, for: "1m", runbook: "restore-backup",
    summary: "The database {{ $labels.datname }} does not answer.",
    why: "Nobody can work. Look at the server and its log first; the runbook is for one that is lost." },
  // Connections
  { name: "PostgresConnectionsHigh", severity: "warning", metric: "pg_connections_used_percent", is: ">=",
    limit: "connections.usedPercent", for: "5m", runbook: "pool-exhausted",
    summary: "{{ $value | printf \"%.0f\" }} % of the connections of the {{ $labels.scope }} are taken." },
  { name: "PostgresConnectionsExhausted", severity: "critical", metric: "pg_connections_used_percent", is: ">=",
    limit: "connections.criticalPercent", for: "1m", runbook: "pool-exhausted",
    summary: "{{ $value | printf \"%.0f\" }} % of the connections of the {{ $labels.scope }} are taken." },
  // Locks and transactions
  { name: "PostgresLockWait", severity: "warning", metric: "pg_locks_max_wait_seconds", is: ">=",
    limit: "locks.waitSeconds", for: "1m", runbook: "lock-pile-up",
    summary: "A session has been waiting for a lock for {{ $value | humanizeDuration }}." },
  { name: "PostgresLockWaitLong", severity: "critical", metric: "pg_locks_max_wait_seconds", is: ">=",
    limit: "locks.criticalSeconds", runbook: "lock-pile-up",
    summary: "A session has been waiting for a lock for {{ $value | humanizeDuration }}." },
  { name: "PostgresLockPileUp", severity: "critical", metric: "pg_locks_waiting_sessions", is: ">=",
    limit: "locks.criticalSessions", and: { metric: "pg_locks_max_wait_seconds", is: ">=", limit: "locks.waitSeconds" },
    runbook: "lock-pile-up", summary: "{{ $value }} sessions wait for one lock." },
  { name: "PostgresIdleInTransaction", severity: "warning", metric: "pg_stat_activity_max_idle_in_transaction_seconds", is: ">=",
    limit: "transactions.idleSeconds", for: "1m", runbook: "pool-exhausted",
    summary: "A session has been idle in a transaction for {{ $value | humanizeDuration }}." },
  { name: "PostgresTransactionLong", severity: "warning", metric: "pg_stat_activity_max_tx_duration_seconds", is: ">=",
    limit: "transactions.longSeconds", for: "1m", runbook: "check transactions",
    summary: "A transaction has been open for {{ $value | humanizeDuration }}." },
  { name: "PostgresTransactionVeryLong", severity: "critical", metric: "pg_stat_activity_max_tx_duration_seconds", is: ">=",
    limit: "transactions.criticalSeconds", runbook: "check transactions",
    summary: "A transaction has been open for {{ $value | humanizeDuration }}." },
  { name: "PostgresSnapshotOld", severity: "warning", metric: "pg_snapshot_max_age_transactions", is: ">=",
    limit: "transactions.snapshotAge", for: "5m", runbook: "check transactions",
    summary: "A session holds a snapshot that is {{ $value | humanize }} transactions old." },
  { name: "PostgresPreparedTransactionOld", severity: "warning", metric: "pg_prepared_xacts_max_age_seconds", is: ">=",
    limit: "transactions.preparedSeconds", runbook: "check transactions",
    summary: "A prepared transaction has been open for {{ $value | humanizeDuration }}." },
  // Replication
  { name: "PostgresReplicationLag", severity: "warning", metric: "pg_replication_lag_seconds", is: ">=",
    limit: "replication.lagSeconds", for: "2m", runbook: "replica-lagging",
    summary: "{{ $labels.replica }} is {{ $value | humanizeDuration }} behind." },
  { name: "PostgresReplicationLagLong", severity: "critical", metric: "pg_replication_lag_seconds", is: ">=",
    limit: "replication.criticalSeconds", runbook: "replica-lagging",
    summary: "{{ $labels.replica }} is {{ $value | humanizeDuration }} behind." },
  { name: "PostgresReplicationLagBytes", severity: "warning", metric: "pg_replication_lag_bytes", is: ">=",
    limit: "replication.lagBytes", for: "2m", runbook: "replica-lagging",
    summary: "{{ $labels.replica }} is {{ $value | humanize1024 }}B of WAL behind." },
  { name: "PostgresReplicaReceivesNothing", severity: "critical", metric: "pg_replication_receiving", is: "==", limit: 0,
    for: "1m", runbook: "replica-lagging", summary: "This replica has no connection to its primary.",
    why: "Whoever reads here sees old data, and where it takes over, the rest is lost." },
  { name: "PostgresSlotKeepsWal", severity: "warning", metric: "pg_replication_slot_retained_bytes", is: ">=",
    limit: "replication.slotBytes", for: "5m", runbook: "replica-lagging",
    summary: "The slot {{ $labels.slot_name }} keeps {{ $value | humanize1024 }}B of WAL." },
  { name: "PostgresSlotKeepsMuchWal", severity: "critical", metric: "pg_replication_slot_retained_bytes", is: ">=",
    limit: "replication.criticalSlotBytes", runbook: "replica-lagging",
    summary: "The slot {{ $labels.slot_name }} keeps {{ $value | humanize1024 }}B of WAL." },
  { name: "PostgresSlotLost", severity: "critical", metric: "pg_replication_slot_lost", is: "==", limit: 1,
    runbook: "replica-lagging", summary: "The slot {{ $labels.slot_name }} has lost WAL, or is about to.",
    why: "Its reader cannot go on from there." },
  // What runs out
  { name: "PostgresTransactionIdsOld", severity: "warning", metric: "pg_database_wraparound_age_transactions", is: ">=",
    limit: "wraparound.age", for: "5m", runbook: "wraparound-near",
    summary: "The oldest transaction of {{ $labels.datname }} is {{ $value | humanize }} ids old." },
  { name: "PostgresTransactionIdsCritical", severity: "critical", metric: "pg_database_wraparound_age_transactions", is: ">=",
    limit: "wraparound.criticalAge", runbook: "wraparound-near",
    summary: "The oldest transaction of {{ $labels.datname }} is {{ $value | humanize }} ids old." },
  { name: "PostgresMultixactsOld", severity: "warning", metric: "pg_database_wraparound_age_multixacts", is: ">=",
    limit: "wraparound.age", for: "5m", runbook: "wraparound-near",
    summary: "The oldest multixact of {{ $labels.datname }} is {{ $value | humanize }} ids old." },
  { name: "PostgresMultixactsCritical", severity: "critical", metric: "pg_database_wraparound_age_multixacts", is: ">=",
    limit: "wraparound.criticalAge", runbook: "wraparound-near",
    summary: "The oldest multixact of {{ $labels.datname }} is {{ $value | humanize }} ids old." },
  { name: "PostgresSequenceRunsOut", severity: "warning", metric: "pg_sequence_used_percent", is: ">=",
    limit: "sequences.usedPercent", for: "5m", runbook: "check sequences",
    summary: "The sequence {{ $labels.sequence }} is used up to {{ $value | printf \"%.1f\" }} %." },
  { name: "PostgresSequenceNearEnd", severity: "critical", metric: "pg_sequence_used_percent", is: ">=",
    limit: "sequences.criticalPercent", runbook: "check sequences",
    summary: "The sequence {{ $labels.sequence }} is used up to {{ $value | printf \"%.1f\" }} %." },
  { name: "PostgresPartitionsRunOut", severity: "warning", metric: "pg_partition_ahead_days", is: "<",
    limit: "partitions.aheadDays", for: "1h", runbook: "check partitions",
    summary: "{{ $labels.table }} has partitions for {{ $value | printf \"%.0f\" }} more days." },
  { name: "PostgresPartitionsMissing", severity: "critical", metric: "pg_partition_ahead_days", is: "<",
    limit: "partitions.criticalDays", runbook: "check partitions",
    summary: "{{ $labels.table }} has partitions for {{ $value | printf \"%.0f\" }} more days." },
  { name: "PostgresRowsInDefaultPartition", severity: "warning", metric: "pg_partition_default_rows", is: ">=",
    limit: "partitions.defaultRows", for: "1h", runbook: "check partitions",
    summary: "{{ $value | humanize }} rows of {{ $labels.table }} are in no partition of their own." },
  // Speed
  { name: "PostgresCacheMisses", severity: "warning", metric: "pg_cache_hit_percent", is: "<", limit: "cache-hits.hitPercent",
    and: { metric: "pg_cache_pages_asked", is: ">=", limit: "cache-hits.leastPages" }, for: "1h", runbook: "check cache-hits",
    summary: "Only {{ $value | printf \"%.1f\" }} % of the pages came from the cache." },
  { name: "PostgresCheckpointsTooOften", severity: "warning", metric: "pg_checkpoints_requested_percent", is: ">=",
    limit: "checkpoints.requestedPercent",
    and: { metric: "pg_checkpoints_counted", is: ">=", limit: "checkpoints.leastCheckpoints" }, for: "1h", runbook: "check checkpoints",
    summary: "{{ $value | printf \"%.0f\" }} % of the checkpoints did not come by the clock." },
  { name: "PostgresTableUnhealthy", severity: "warning", metric: "pg_table_health_score", is: "<", limit: "table-health.poorScore",
    for: "1h", runbook: "check table-health",
    summary: "{{ $labels.table }} has {{ $value }} of 100 points." },
];

/**
 * Questions that judge by more than one figure, or by facts: their alert is that they found something. The others' would
 * ring twice.
 */
export const foundBy: { question: string; severity: Alert["severity"]; for: string; runbook: Alert["runbook"] }[] = [
  { question: "settings", severity: "critical", for: "5m", runbook: "check settings" },
  { question: "checkpoints", severity: "critical", for: "5m", runbook: "disk-nearly-full" },
  { question: "sizes", severity: "critical", for: "5m", runbook: "disk-nearly-full" },
  { question: "sizes", severity: "warning", for: "15m", runbook: "disk-nearly-full" },
  { question: "index-usage", severity: "warning", for: "1h", runbook: "failed-concurrent-index" },
  { question: "slow-queries", severity: "warning", for: "1h", runbook: "check slow-queries" },
  { question: "dead-tuples", severity: "warning", for: "1h", runbook: "check dead-tuples" },
  { question: "bloat", severity: "warning", for: "1d", runbook: "check bloat" },
];
