/** A query of a panel; `legend` as Grafana fills it in. */
export interface Query {
  expr: string;
  legend: string;
}

/** A panel of the dashboard. */
export interface Panel {
  title: string;
  type: "stat" | "timeseries" | "bargauge" | "table";
  /** Grafana's name of it. */
  unit: string;
  queries: Query[];
  /** Thresholds by full name, drawn in red. */
  limits?: string[];
  /** Whether what is below the limit is wrong, and not what is above. */
  lowIsBad?: boolean;
  description?: string;
}

/** Panels beside each other, under a title. */
export interface Row {
  title: string;
  panels: Panel[];
}

// What Grafana's variables choose.
const here = 'instance=~"$instance",datname=~"$datname"';

const of = (metric: string, matchers = "") => `${metric}{${here}${matchers}}`;
const rate = (metric: string, legend: string): Query => ({ expr: `rate(${of(metric)}[$__rate_interval])`, legend });
const figure = (metric: string, legend: string): Query => ({ expr: of(metric), legend });

const hitRatio = `100 * rate(${of("pg_stat_database_blks_hit_total")}[$__rate_interval]) / (rate(${of(
  "pg_stat_database_blks_hit_total",
)}[$__rate_interval]) + rate(${of("pg_stat_database_blks_read_total")}[$__rate_interval]))`;

// biome-ignore format: one panel, one block; the table reads better than the formatter's version
export const panelTable: Row[] = [
  { title: "Now", panels: [
    { title: "Up", type: "stat", unit: "none", lowIsBad: true, limits: [], queries: [figure("pg_up", "{{datname}}")] },
    { title: "Critical findings", type: "stat", unit: "none", queries: [figure("pg_findings_critical", "{{datname}}")] },
    { title: "Connections", type: "stat", unit: "percent", limits: ["connections.usedPercent"],
      queries: [{ expr: `max(${of("pg_connections_used_percent")})`, legend: "taken" }] },
    { title: "Size", type: "stat", unit: "bytes", queries: [figure("pg_database_size_bytes", "{{datname}}")] },
    { title: "Up since", type: "stat", unit: "s", queries: [{ expr: `time() - ${of("pg_postmaster_start_time_seconds")}`, legend: "{{datname}}" }] },
    { title: "Worst table", type: "stat", unit: "none", lowIsBad: true, limits: ["table-health.score"],
      queries: [{ expr: `min(${of("pg_table_health_score")})`, legend: "points" }] },
  ] },
  { title: "Traffic", panels: [
    { title: "Transactions", type: "timeseries", unit: "ops", queries: [
      rate("pg_stat_database_xact_commit_total", "commits"), rate("pg_stat_database_xact_rollback_total", "rollbacks")] },
    { title: "Rows", type: "timeseries", unit: "rowsps", queries: [
      rate("pg_stat_database_tup_fetched_total", "fetched"), rate("pg_stat_database_tup_inserted_total", "inserted"),
      rate("pg_stat_database_tup_updated_total", "updated"), rate("pg_stat_database_tup_deleted_total", "deleted")] },
    { title: "Pages from the cache", type: "timeseries", unit: "percent", lowIsBad: true, limits: ["cache-hits.hitPercent"],
      queries: [{ expr: hitRatio, legend: "{{datname}}" }] },
  ] },
  { title: "Sessions and locks", panels: [
    { title: "Sessions by state", type: "timeseries", unit: "none", queries: [figure("pg_stat_activity_count", "{{state}}")] },
    { title: "Connections taken", type: "timeseries", unit: "percent", limits: ["connections.usedPercent", "connections.criticalPercent"],
      queries: [figure("pg_connections_used_percent", "{{scope}}")] },
    { title: "Longest wait for a lock", type: "timeseries", unit: "s", limits: ["locks.waitSeconds"],
      queries: [figure("pg_locks_max_wait_seconds", "{{datname}}")], description: "runbooks/lock-pile-up.md" },
    { title: "Oldest transaction", type: "timeseries", unit: "s", limits: ["transactions.longSeconds"], queries: [
      figure("pg_stat_activity_max_tx_duration_seconds", "open"), figure("pg_stat_activity_max_idle_in_transaction_seconds", "idle in it")] },
  ] },
  { title: "Replication and WAL", panels: [
    { title: "Lag", type: "timeseries", unit: "s", limits: ["replication.lagSeconds"],
      queries: [figure("pg_replication_lag_seconds", "{{replica}}")], description: "runbooks/replica-lagging.md" },
    { title: "WAL that slots keep", type: "timeseries", unit: "bytes", limits: ["replication.slotBytes"],
      queries: [figure("pg_replication_slot_retained_bytes", "{{slot_name}}")] },
    { title: "WAL written", type: "timeseries", unit: "Bps", queries: [rate("pg_stat_wal_bytes_total", "{{datname}}")] },
    { title: "Checkpoints", type: "timeseries", unit: "none", queries: [
      { expr: `increase(${of("pg_stat_checkpointer_num_timed_total")}[1h])`, legend: "timed, an hour" },
      { expr: `increase(${of("pg_stat_checkpointer_num_requested_total")}[1h])`, legend: "requested, an hour" }] },
  ] },
  { title: "Tables", panels: [
    { title: "Health, the worst ten", type: "bargauge", unit: "none", lowIsBad: true, limits: ["table-health.score"],
      queries: [{ expr: `bottomk(10, ${of("pg_table_health_score")})`, legend: "{{table}}" }] },
    { title: "Size with indexes, the largest ten", type: "bargauge", unit: "bytes",
      queries: [{ expr: `topk(10, ${of("pg_table_size_bytes")} + ${of("pg_table_indexes_size_bytes")})`, legend: "{{table}}" }] },
    { title: "Dead rows, the most ten", type: "bargauge", unit: "short",
      queries: [{ expr: `topk(10, ${of("pg_stat_user_tables_n_dead_tup")})`, legend: "{{table}}" }] },
  ] },
  { title: "What runs out", panels: [
    { title: "Transaction ids", type: "timeseries", unit: "short", limits: ["wraparound.age"],
      queries: [{ expr: 'pg_database_wraparound_age_transactions{instance=~"$instance"}', legend: "{{datname}}" }], description: "runbooks/wraparound-near.md" },
    { title: "Sequences, the fullest ten", type: "timeseries", unit: "percent", limits: ["sequences.usedPercent"],
      queries: [{ expr: `topk(10, ${of("pg_sequence_used_percent")})`, legend: "{{sequence}}" }] },
    { title: "Partitions ahead", type: "timeseries", unit: "d", lowIsBad: true, limits: ["partitions.aheadDays"],
      queries: [figure("pg_partition_ahead_days", "{{table}}")] },
    { title: "Findings", type: "table", unit: "none",
      queries: [{ expr: `${of("pg_findings")} > 0`, legend: "{{question}} {{severity}}" }], description: "npm run toolkit -- check" },
  ] },
];
