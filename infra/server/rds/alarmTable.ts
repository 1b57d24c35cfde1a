import { defaultMaxConnections, type InstanceSize, instanceClasses } from "../../../toolkit/rds/classes.ts";
import type { Config } from "../../config.ts";
import { sustainedIops } from "./storage.ts";

/** What thresholds are derived from. */
export interface Capacity extends InstanceSize {
  /** Bytes of storage at the start. */
  storage: number;
  iops: number;
  maxConnections: number;
  replica: boolean;
}

/**
 * Who hears of it. A symptom tells nobody by itself, for one overload shows in many of them at once: composite alarms
 * make one message of it.
 */
export type Severity = "critical" | "warning" | "symptom";

export interface Alarm {
  name: string;
  metric: string;
  statistic: "Average" | "Maximum" | "Minimum";
  /** Seconds. */
  period: number;
  /** Periods in a row that must be over the threshold. */
  periods: number;
  comparison: ">" | "<";
  threshold: (capacity: Capacity) => number;
  unit: "%" | "sessions" | "bytes" | "requests" | "s" | "transactions" | "credits";
  severity: Severity;
  /** The page in runbooks/. */
  runbook: string;
  /** Where it makes sense; everywhere, if left out. */
  where?: (capacity: Capacity) => boolean;
  /** What no data means; nothing wrong, if left out: some metrics exist on some instance classes only. */
  missing?: "breaching";
  why: string;
  source: string;
}

const rds = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide";
const metrics = `${rds}/rds-metrics.html`;
const MiB = 1024 ** 2;
const isPrimary = ({ replica }: Capacity) => !replica;
const isReplica = ({ replica }: Capacity) => replica;

// biome-ignore format: one alarm, one block; the table reads better than the formatter's version
export const alarmTable: Alarm[] = [
  // Load
  { name: "cpu-high", metric: "CPUUtilization", statistic: "Average", period: 300, periods: 3,
    comparison: ">", threshold: () => 90, unit: "%", severity: "symptom", runbook: "emergency",
    why: "a quarter of an hour over 90 % leaves nothing for a peak",
    source: `${rds}/CHAP_BestPractices.html#CHAP_BestPractices.UsingMetrics` },
  { name: "load-high", metric: "DBLoad", statistic: "Average", period: 60, periods: 10,
    comparison: ">", threshold: ({ vcpus }) => vcpus, unit: "sessions", severity: "symptom", runbook: "lock-pile-up",
    why: "more sessions are active than there are vCPUs: some wait, for a processor, a disk or a lock",
    source: `${rds}/USER_PerfInsights.Overview.ActiveSessions.html#USER_PerfInsights.Overview.ActiveSessions.max-vCPU` },
  { name: "disk-queue-long", metric: "DiskQueueDepth", statistic: "Average", period: 300, periods: 3,
    comparison: ">", threshold: ({ iops }) => iops / 100, unit: "requests", severity: "symptom", runbook: "emergency",
    why: "at the volume's full rate this many requests in the queue make each of them wait 10 ms (Little's law)",
    source: metrics },
  { name: "read-latency-high", metric: "ReadLatency", statistic: "Average", period: 300, periods: 3,
    comparison: ">", threshold: () => 0.02, unit: "s", severity: "symptom", runbook: "emergency",
    why: "gp3 answers in single-digit milliseconds: twice that is a volume at its limit",
    source: `${rds}/CHAP_Storage.html#gp3-storage` },
  { name: "write-latency-high", metric: "WriteLatency", statistic: "Average", period: 300, periods: 3,
    comparison: ">", threshold: () => 0.02, unit: "s", severity: "symptom", runbook: "emergency",
    why: "every commit waits for a write: gp3 answers in single-digit milliseconds",
    source: `${rds}/CHAP_Storage.html#gp3-storage` },
  // Sessions
  { name: "connections-high", metric: "DatabaseConnections", statistic: "Maximum", period: 60, periods: 5,
    comparison: ">", threshold: ({ maxConnections }) => Math.floor(maxConnections * 0.8), unit: "sessions",
    severity: "warning", runbook: "pool-exhausted",
    why: "over 80 % of max_connections a deployment that doubles the pools finds the door closed",
    source: `${rds}/CHAP_Limits.html#RDS_Limits.MaxConnections` },
  { name: "connections-exhausted", metric: "DatabaseConnections", statistic: "Maximum", period: 60, periods: 3,
    comparison: ">", threshold: ({ maxConnections }) => Math.floor(maxConnections * 0.95), unit: "sessions",
    severity: "critical", runbook: "pool-exhausted",
    why: "the last sessions go: soon only superusers get in",
    source: `${rds}/CHAP_Limits.html#RDS_Limits.MaxConnections` },
  // Memory
  { name: "memory-low", metric: "FreeableMemory", statistic: "Average", period: 300, periods: 3,
    comparison: "<", threshold: ({ memory }) => Math.floor(memory * 0.1), unit: "bytes", severity: "warning", runbook: "pool-exhausted",
    why: "sessions and sorts have eaten the page cache; the next step is swap, then the out-of-memory killer",
    source: `${rds}/CHAP_BestPractices.html#CHAP_BestPractices.Performance.RAM` },
  { name: "swap-used", metric: "SwapUsage", statistic: "Average", period: 300, periods: 3,
    comparison: ">", threshold: ({ memory }) => Math.max(256 * MiB, Math.floor(memory * 0.02)), unit: "bytes",
    severity: "warning", runbook: "pool-exhausted",
    why: "a little swap is normal, more means that memory is short",
    source: metrics },
  // Storage
  { name: "storage-low", metric: "FreeStorageSpace", statistic: "Minimum", period: 300, periods: 1,
    comparison: "<", threshold: ({ storage }) => Math.floor(storage * 0.1), unit: "bytes", severity: "warning", runbook: "disk-nearly-full",
    why: "at 10 % free RDS lets the storage grow; when this stays, it has reached maxAllocatedStorage or grew within six hours",
    source: `${rds}/USER_PIOPS.Autoscaling.html` },
  { name: "storage-critical", metric: "FreeStorageSpace", statistic: "Minimum", period: 60, periods: 3,
    comparison: "<", threshold: ({ storage }) => Math.floor(storage * 0.05), unit: "bytes", severity: "critical", runbook: "rds-storage-full",
    why: "a database without storage stops (storage-full) and cannot be written to",
    source: `${rds}/USER_PIOPS.Autoscaling.html` },
  { name: "ebs-throughput-credits-low", metric: "EBSByteBalance%", statistic: "Minimum", period: 300, periods: 3,
    comparison: "<", threshold: () => 20, unit: "%", severity: "warning", runbook: "emergency",
    why: "without credits the instance falls from burst to base throughput, whatever the volume could do",
    source: metrics },
  { name: "ebs-io-credits-low", metric: "EBSIOBalance%", statistic: "Minimum", period: 300, periods: 3,
    comparison: "<", threshold: () => 20, unit: "%", severity: "warning", runbook: "emergency",
    why: "without credits the instance falls from burst to base IOPS, whatever the volume could do",
    source: metrics },
  { name: "cpu-credits-low", metric: "CPUCreditBalance", statistic: "Minimum", period: 300, periods: 3,
    comparison: "<", threshold: ({ creditsPerHour }) => creditsPerHour!, unit: "credits", severity: "warning", runbook: "emergency",
    where: ({ creditsPerHour }) => creditsPerHour !== undefined,
    why: "less is left than the class earns in an hour: soon it runs at its base rate, or costs extra",
    source: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-credits-baseline-concepts.html" },
  // Transaction ids and replication
  { name: "transaction-ids-old", metric: "MaximumUsedTransactionIDs", statistic: "Maximum", period: 300, periods: 1,
    comparison: ">", threshold: () => 1_000_000_000, unit: "transactions", severity: "warning", runbook: "wraparound-near", where: isPrimary,
    why: "autovacuum begins at 200 million; a thousand million means that something holds it back",
    source: "https://aws.amazon.com/blogs/database/implement-an-early-warning-system-for-transaction-id-wraparound-in-amazon-rds-for-postgresql/" },
  { name: "transaction-ids-critical", metric: "MaximumUsedTransactionIDs", statistic: "Maximum", period: 300, periods: 1,
    comparison: ">", threshold: () => 1_500_000_000, unit: "transactions", severity: "critical", runbook: "wraparound-near", where: isPrimary,
    why: "at 2,147 million PostgreSQL takes no more writes",
    source: "https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND" },
  { name: "replication-slot-behind", metric: "OldestReplicationSlotLag", statistic: "Maximum", period: 300, periods: 3,
    comparison: ">", threshold: ({ storage }) => Math.floor(storage * 0.05), unit: "bytes", severity: "warning", runbook: "replica-lagging", where: isPrimary,
    why: "the write-ahead log that a slot holds back has taken a twentieth of the storage, and goes on",
    source: metrics },
  { name: "replica-lagging", metric: "ReplicaLag", statistic: "Maximum", period: 60, periods: 5,
    comparison: ">", threshold: () => 600, unit: "s", severity: "warning", runbook: "replica-lagging", where: isReplica,
    why: "without writes on the primary a replica reports up to five minutes; twice that is a lag",
    source: `${rds}/USER_PostgreSQL.Replication.ReadReplicas.Monitor.html` },
  { name: "replica-lost", metric: "ReplicaLag", statistic: "Maximum", period: 60, periods: 15,
    comparison: ">", threshold: () => 3600, unit: "s", severity: "critical", runbook: "replica-lagging", where: isReplica, missing: "breaching",
    why: "an hour behind, or not replicating at all: the router must not read from it",
    source: `${rds}/USER_PostgreSQL.Replication.ReadReplicas.Monitor.html` },
];

/** What an instance has to give, from its class and the configuration. */
export function capacityOf(instanceClass: string, config: Config, replica = false): Capacity {
  const size = instanceClasses[instanceClass]!;
  const asked = Number(config.parameters.max_connections);
  return {
    ...size,
    storage: config.allocatedStorage * 1024 ** 3,
    iops: sustainedIops(config),
    maxConnections: asked > 0 ? asked : defaultMaxConnections(size),
    replica,
  };
}

/** The alarms of one instance, with their thresholds. */
export function alarmsFor(capacity: Capacity): (Omit<Alarm, "threshold"> & { threshold: number })[] {
  return alarmTable
    .filter(({ where }) => where?.(capacity) ?? true)
    .map((alarm) => ({ ...alarm, threshold: alarm.threshold(capacity) }));
}
