import { checkpoints } from "../monitor/checkpoints.ts";
import { connections } from "../monitor/connections.ts";
import { replication } from "../monitor/replication.ts";
import type { Snapshot } from "../monitor/snapshot.ts";
import { wraparound } from "../monitor/wraparound.ts";
import { rowsOf } from "../status/sampler.ts";
import { each, one } from "./samples.ts";
import type { Metric, Sample } from "./table.ts";

const walOf = (taken: Snapshot) => rowsOf(taken, checkpoints)[0];

const counted = (name: `pg_${string}`, help: string, figure: keyof NonNullable<ReturnType<typeof walOf>>): Metric => ({
  ...{ name, type: "counter", help },
  read: (taken) => one(walOf(taken)?.[figure]),
});

/** The tightest of each scope: roles with a limit of their own may be many. */
function ofScopes(taken: Snapshot, figure: "used" | "most" | "usedPercent"): Sample[] {
  const tightest = rowsOf(taken, connections).toReversed();
  const byScope = new Map(tightest.map((row) => [row.scope, row]));
  return [...byScope].map(([scope, row]) => ({ value: row[figure], labels: { scope } }));
}

const replicas = (taken: Snapshot) => rowsOf(taken, replication).filter(({ kind }) => kind !== "slot");
const slots = (taken: Snapshot) => rowsOf(taken, replication).filter(({ kind }) => kind === "slot");
const nameOf = ({ kind, object }: { kind: string; object: string }) => (kind === "this replica" ? kind : object);
const databases = (taken: Snapshot) => rowsOf(taken, wraparound).filter(({ kind }) => kind === "database");

/** What is said of the whole server. */
export const serverMetrics: Metric[] = [
  {
    ...{ name: "pg_static", type: "gauge", labels: ["version", "role"], help: "1, with the version and the role." },
    read: ({ server: { version, role } }) => [{ value: 1, labels: { version, role } }],
  },
  {
    ...{ name: "pg_postmaster_start_time_seconds", type: "gauge", help: "When the server started, as a Unix time." },
    read: ({ server }) => one(Date.parse(server.startedAt) / 1000),
  },
  {
    ...{ name: "pg_connections_used", type: "gauge", labels: ["scope"] },
    help: "Connections that are taken of the tightest limit of a server, database or role.",
    read: (taken) => ofScopes(taken, "used"),
  },
  {
    ...{ name: "pg_connections_max", type: "gauge", labels: ["scope"] },
    help: "That limit, without what is reserved for superusers.",
    read: (taken) => ofScopes(taken, "most"),
  },
  {
    ...{ name: "pg_connections_used_percent", type: "gauge", labels: ["scope"] },
    help: "Connections that are taken, of that limit.",
    read: (taken) => ofScopes(taken, "usedPercent"),
    cloudWatch: { name: "ConnectionsUsed", unit: "Percent", worst: "highest" },
  },
  {
    ...{ name: "pg_replication_lag_seconds", type: "gauge", labels: ["replica"] },
    help: "How old is what a replica shows; on a replica its own lag.",
    read: (taken) => each(replicas(taken), "replica", nameOf, ({ lagSeconds }) => lagSeconds ?? 0),
    cloudWatch: { name: "ReplicationLag", unit: "Seconds", worst: "highest" },
  },
  {
    ...{ name: "pg_replication_lag_bytes", type: "gauge", labels: ["replica"] },
    help: "WAL that a replica has not replayed; on a replica its own.",
    read: (taken) => each(replicas(taken), "replica", nameOf, ({ lagBytes }) => lagBytes),
    cloudWatch: { name: "ReplicationLagBytes", unit: "Bytes", worst: "highest" },
  },
  {
    ...{ name: "pg_replication_receiving", type: "gauge", labels: ["replica"] },
    help: "On a replica: 1 while it receives WAL from its primary.",
    read: (taken) =>
      each(
        replicas(taken).filter(({ kind }) => kind === "this replica"),
        "replica",
        nameOf,
        ({ state }) => Number(state !== "not receiving"),
      ),
  },
  {
    ...{ name: "pg_replication_slot_retained_bytes", type: "gauge", labels: ["slot_name"] },
    help: "WAL that a slot keeps.",
    read: (taken) =>
      each(
        slots(taken),
        "slot_name",
        ({ object }) => object,
        ({ lagBytes }) => lagBytes,
      ),
    cloudWatch: { name: "WalKeptBySlots", unit: "Bytes", worst: "highest" },
  },
  {
    ...{ name: "pg_replication_slot_lost", type: "gauge", labels: ["slot_name"] },
    help: "1 where a slot has lost WAL that its reader needs, or is about to.",
    read: (taken) =>
      each(
        slots(taken),
        "slot_name",
        ({ object }) => object,
        ({ state }) => Number(/, (lost|unreserved)$/.test(state)),
      ),
  },
  {
    ...{ name: "pg_database_wraparound_age_transactions", type: "gauge", labels: ["datname"] },
    help: "Transactions since the oldest that vacuum has not frozen.",
    read: (taken) =>
      each(
        databases(taken),
        "datname",
        ({ object }) => object,
        ({ transactionAge }) => transactionAge,
      ),
    cloudWatch: { name: "OldestTransactionId", unit: "Count", worst: "highest" },
  },
  {
    ...{ name: "pg_database_wraparound_age_multixacts", type: "gauge", labels: ["datname"] },
    help: "Multixacts since the oldest that vacuum has not frozen.",
    read: (taken) =>
      each(
        databases(taken),
        "datname",
        ({ object }) => object,
        ({ multixactAge }) => multixactAge,
      ),
  },
  counted("pg_stat_checkpointer_num_timed_total", "Checkpoints by the clock.", "timed"),
  counted("pg_stat_checkpointer_num_requested_total", "Checkpoints that WAL, or somebody, asked for.", "requested"),
  {
    ...{ name: "pg_checkpoints_requested_percent", type: "gauge" },
    help: "Of all checkpoints, those that did not come by the clock.",
    read: (taken) => one(walOf(taken)?.requestedPercent),
  },
  {
    ...{ name: "pg_checkpoints_counted", type: "gauge", help: "Checkpoints since the counters were reset." },
    read: (taken) => rowsOf(taken, checkpoints).flatMap(({ timed, requested }) => one(timed + requested)),
  },
  counted("pg_stat_wal_bytes_total", "WAL that was written.", "walBytes"),
  counted("pg_stat_wal_fpi_total", "Full pages in WAL.", "fullPageImages"),
  counted("pg_stat_wal_buffers_full_total", "Times that the buffers for WAL were full.", "walBuffersFull"),
  counted("pg_stat_archiver_archived_total", "Segments of WAL that were archived.", "archived"),
  counted("pg_stat_archiver_failed_total", "Attempts to archive WAL that failed.", "archiveFailures"),
];
