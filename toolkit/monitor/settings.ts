import { type Finding, question, type Severity } from "./question.ts";
import { docs } from "./sources.ts";

interface Row {
  object: string;
  value: string;
  source: string;
  restartPending: boolean;
}

type Names = "sharedBuffersBytes" | "randomPageCost" | "maxConnections" | "maxWalBytes";
type Limits = Record<Names, number>;

/** A setting that hurts, when it does, and what is right. */
interface Rule {
  name: string;
  severity: Severity;
  /** @param value in the setting's base unit, bytes where it is memory; NaN where it is no number */
  hurts: (setting: string, value: number, limits: Limits) => boolean;
  why: string;
  better: string;
  page: string;
}

const is = (wrong: string) => (setting: string) => setting === wrong;
const off = is("off");

// biome-ignore format: one rule, one block; the table reads better than the formatter's version
const rules: Rule[] = [
  { name: "fsync", severity: "critical", hurts: off, better: "on", page: "runtime-config-wal.html#GUC-FSYNC",
    why: "After a crash of the machine the data is broken beyond repair." },
  { name: "full_page_writes", severity: "critical", hurts: off, better: "on", page: "runtime-config-wal.html#GUC-FULL-PAGE-WRITES",
    why: "A page that was half written when the machine crashed cannot be repaired." },
  { name: "autovacuum", severity: "critical", hurts: off, better: "on", page: "runtime-config-vacuum.html#GUC-AUTOVACUUM",
    why: "Dead rows pile up, statistics grow old, and transaction ids run out." },
  { name: "track_counts", severity: "critical", hurts: off, better: "on", page: "runtime-config-statistics.html#GUC-TRACK-COUNTS",
    why: "Autovacuum goes by these counters, and so do all questions here." },
  { name: "zero_damaged_pages", severity: "critical", hurts: is("on"), better: "off", page: "runtime-config-developer.html#GUC-ZERO-DAMAGED-PAGES",
    why: "The rows of a damaged page are thrown away without a word." },
  { name: "ignore_checksum_failure", severity: "critical", hurts: is("on"), better: "off", page: "runtime-config-developer.html#GUC-IGNORE-CHECKSUM-FAILURE",
    why: "Damaged pages are read as if they were right." },
  { name: "synchronous_commit", severity: "notice", hurts: off, better: "on", page: "runtime-config-wal.html#GUC-SYNCHRONOUS-COMMIT",
    why: "A crash loses the last moments of acknowledged commits." },
  { name: "enable_indexscan", severity: "warning", hurts: off, better: "on", page: "runtime-config-query.html#GUC-ENABLE-INDEXSCAN",
    why: "The planner avoids index scans everywhere." },
  { name: "enable_partition_pruning", severity: "warning", hurts: off, better: "on", page: "runtime-config-query.html#GUC-ENABLE-PARTITION-PRUNING",
    why: "Every query reads every partition." },
  { name: "password_encryption", severity: "warning", hurts: is("md5"), better: "scram-sha-256", page: "runtime-config-connection.html#GUC-PASSWORD-ENCRYPTION",
    why: "md5 hashes are as good as the password to whoever sees them." },
  { name: "shared_buffers", severity: "warning", hurts: (_, value, limits) => value <= limits.sharedBuffersBytes,
    better: "a quarter of the memory", page: "runtime-config-resource.html#GUC-SHARED-BUFFERS",
    why: "It is the default, which is chosen so that PostgreSQL starts anywhere." },
  { name: "random_page_cost", severity: "notice", hurts: (_, value, limits) => value >= limits.randomPageCost,
    better: "1.1 on SSD", page: "runtime-config-query.html#GUC-RANDOM-PAGE-COST",
    why: "The planner takes a random page to be as dear as on a spinning disk, and prefers sequential scans." },
  { name: "max_wal_size", severity: "notice", hurts: (_, value, limits) => value <= limits.maxWalBytes,
    better: "4GB and more where much is written", page: "runtime-config-wal.html#GUC-MAX-WAL-SIZE",
    why: "Bulk loads force a checkpoint at every gigabyte." },
  { name: "max_connections", severity: "notice", hurts: (_, value, limits) => value > limits.maxConnections,
    better: "fewer, behind a pool", page: "runtime-config-connection.html#GUC-MAX-CONNECTIONS",
    why: "Each session takes memory, and looking through all of them slows every snapshot." },
  { name: "checkpoint_completion_target", severity: "notice", hurts: (_, value) => value < 0.9, better: "0.9",
    page: "runtime-config-wal.html#GUC-CHECKPOINT-COMPLETION-TARGET",
    why: "Checkpoints write in bursts that statements feel." },
  { name: "idle_in_transaction_session_timeout", severity: "notice", hurts: (_, value) => value === 0, better: "5min",
    page: "runtime-config-client.html#GUC-IDLE-IN-TRANSACTION-SESSION-TIMEOUT",
    why: "A transaction that was forgotten holds locks and dead rows for ever." },
  { name: "log_lock_waits", severity: "notice", hurts: off, better: "on", page: "runtime-config-logging.html#GUC-LOG-LOCK-WAITS",
    why: "After a pile-up nobody can tell who stood in the way." },
  { name: "track_io_timing", severity: "notice", hurts: off, better: "on", page: "runtime-config-statistics.html#GUC-TRACK-IO-TIMING",
    why: "Statistics cannot tell reading from computing." },
];

const bytesOf: Record<string, number> = {
  B: 1,
  kB: 1024,
  "8kB": 8192,
  "16MB": 16 * 1024 ** 2,
  MB: 1024 ** 2,
  GB: 1024 ** 3,
};

/** Settings that cost data, speed or insight. */
export const settings = question<Row, Names>({
  name: "settings",
  title: "Which settings hurt?",
  thresholds: {
    sharedBuffersBytes: {
      value: 128 * 1024 ** 2,
      unit: "bytes",
      why: "PostgreSQL's default.",
      source: `${docs}/runtime-config-resource.html#GUC-SHARED-BUFFERS`,
    },
    randomPageCost: {
      value: 4,
      unit: "times seq_page_cost",
      why: "PostgreSQL's default, for spinning disks.",
      source: `${docs}/runtime-config-query.html#GUC-RANDOM-PAGE-COST`,
    },
    maxConnections: {
      value: 500,
      unit: "connections",
      why: "Some hundred sessions per server work well; a pool serves thousands of clients by them.",
      source: `${docs}/runtime-config-connection.html#GUC-MAX-CONNECTIONS`,
    },
    maxWalBytes: {
      value: 1024 ** 3,
      unit: "bytes",
      why: "PostgreSQL's default.",
      source: `${docs}/runtime-config-wal.html#GUC-MAX-WAL-SIZE`,
    },
  },
  async ask(database, limits) {
    const { rows: found } = await database.query<Row & { setting: string; unit: string | null }>(
      `select name as object, current_setting(name) as value, source, pending_restart as "restartPending", setting, unit
       from pg_settings where name = any ($1) or pending_restart order by name`,
      [rules.map(({ name }) => name)],
    );
    const findings = found.flatMap(({ object, value, setting, unit, restartPending }): Finding[] => {
      const rule = rules.find(({ name }) => name === object);
      const base = Number(setting) * (bytesOf[unit ?? ""] ?? 1);
      const hurting: Finding[] = rule?.hurts(setting, base, limits) ? [findingOf(rule, value)] : [];
      return restartPending ? [...hurting, pending(object, value)] : hurting;
    });
    return { rows: found.map(({ setting: _, unit: __, ...row }) => row), findings };
  },
});

function findingOf({ name, severity, why, better, page }: Rule, value: string): Finding {
  return {
    ...{ severity, object: name, why },
    what: `${name} is ${value}.`,
    fix: `Set ${name} to ${better}, by database:parameters of the stack, the parameter group on RDS, or alter system: ${docs}/${page}`,
  };
}

function pending(name: string, value: string): Finding {
  return {
    severity: "notice",
    object: name,
    what: `${name} was changed, and is still ${value}.`,
    why: "It takes effect when the server starts.",
    fix: "Restart the server in a quiet hour.",
  };
}
