/**
 * The one table of PostgreSQL parameters. Both servers are tuned from it: `embeddedSettings` renders it for a
 * machine, `rdsParameters` renders it for an RDS parameter group, where memory is a formula of the instance class.
 */

/** What an embedded server may use. */
export interface Machine {
  /** Bytes of memory that the server may count on. */
  memory: number;
  cpus: number;
  /** Sessions that the server lets in. */
  maxConnections: number;
}

/** PostgreSQL's base units: RDS wants bare numbers in them. */
export type Unit = "B" | "8kB" | "kB" | "MB" | "ms" | "s" | "min";

type Value = string | number | boolean;

export interface Parameter {
  name: string;
  unit?: Unit;
  /** A static parameter takes effect at a restart: `pending-reboot` on RDS. */
  static?: true;
  /** First major version that has it. */
  since?: number;
  /** The value in `unit`; for the embedded server a function of the machine where size decides. */
  value: Value | ((machine: Machine) => Value);
  /** RDS's own value or formula, where it is not `value`; false where RDS does not let it be set. */
  rds?: Value | false;
  why: string;
  source: string;
}

const docs = "https://www.postgresql.org/docs/current";
const rdsGuide = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide";

const [kB, page] = [1024, 8192];
const pages = (bytes: number) => Math.floor(bytes / page);
const kilobytes = (bytes: number) => Math.floor(bytes / kB);
const clamp = (value: number, least: number, most: number) => Math.min(Math.max(value, least), most);
const [MB, GB] = [1024 ** 2, 1024 ** 3];

// biome-ignore format: one parameter, one block; the table reads better than the formatter's version
export const parameters: Parameter[] = [
  // Memory
  { name: "shared_buffers", unit: "8kB", static: true,
    value: ({ memory }) => pages(clamp(memory / 4, 128 * MB, 16 * GB)), rds: "{DBInstanceClassMemory/32768}",
    why: "a quarter of memory is the documented start for a dedicated server",
    source: `${docs}/runtime-config-resource.html#GUC-SHARED-BUFFERS` },
  { name: "effective_cache_size", unit: "8kB",
    value: ({ memory }) => pages(memory * 0.75), rds: "{DBInstanceClassMemory*3/32768}",
    why: "tells the planner that three quarters of memory hold cached pages, which favours index scans",
    source: `${docs}/runtime-config-query.html#GUC-EFFECTIVE-CACHE-SIZE` },
  { name: "work_mem", unit: "kB",
    value: ({ memory, maxConnections }) => kilobytes(clamp(memory / 4 / maxConnections, 4 * MB, 64 * MB)), rds: 16384,
    why: "each sort and hash may take it, several in one statement: a quarter of memory shared by all sessions",
    source: `${docs}/runtime-config-resource.html#GUC-WORK-MEM` },
  { name: "maintenance_work_mem", unit: "kB",
    value: ({ memory }) => kilobytes(clamp(memory / 16, 64 * MB, GB)), rds: "{DBInstanceClassMemory/65536}",
    why: "index builds and vacuum are few at a time and gain from memory",
    source: `${docs}/runtime-config-resource.html#GUC-MAINTENANCE-WORK-MEM` },
  // Connections and locks
  { name: "max_connections", static: true,
    value: ({ maxConnections }) => maxConnections, rds: false,
    why: "what the configuration asks for; RDS derives it from the instance class",
    source: `${docs}/runtime-config-connection.html#GUC-MAX-CONNECTIONS` },
  { name: "max_locks_per_transaction", static: true, value: 256,
    why: "a query over all monthly partitions locks each of them and each of their indexes",
    source: `${docs}/runtime-config-locks.html#GUC-MAX-LOCKS-PER-TRANSACTION` },
  { name: "idle_in_transaction_session_timeout", unit: "ms", value: 300_000,
    why: "a forgotten transaction holds back vacuum and blocks every CREATE INDEX CONCURRENTLY",
    source: `${docs}/runtime-config-client.html#GUC-IDLE-IN-TRANSACTION-SESSION-TIMEOUT` },
  { name: "password_encryption", value: "scram-sha-256", rds: "scram-sha-256",
    why: "md5 passwords are deprecated",
    source: `${docs}/runtime-config-connection.html#GUC-PASSWORD-ENCRYPTION` },
  { name: "rds.force_ssl", value: false, rds: true,
    why: "no plain-text session reaches the database",
    source: `${rdsGuide}/PostgreSQL.Concepts.General.SSL.html` },
  // Write-ahead log and checkpoints
  { name: "max_wal_size", unit: "MB", value: 4096, rds: 16384,
    why: "bulk loads should be paced by time, not force a checkpoint every gigabyte",
    source: `${docs}/runtime-config-wal.html#GUC-MAX-WAL-SIZE` },
  { name: "min_wal_size", unit: "MB", value: 512, rds: 2048,
    why: "keeps segments for reuse instead of removing and making them again",
    source: `${docs}/runtime-config-wal.html#GUC-MIN-WAL-SIZE` },
  { name: "checkpoint_timeout", unit: "s", value: 900,
    why: "fewer checkpoints write fewer full pages; recovery stays within minutes",
    source: `${docs}/runtime-config-wal.html#GUC-CHECKPOINT-TIMEOUT` },
  { name: "checkpoint_completion_target", value: 0.9,
    why: "spreads the writes of a checkpoint over its interval",
    source: `${docs}/runtime-config-wal.html#GUC-CHECKPOINT-COMPLETION-TARGET` },
  { name: "wal_compression", value: true,
    why: "full-page images compress well and writing them is the cost of frequent checkpoints",
    source: `${docs}/runtime-config-wal.html#GUC-WAL-COMPRESSION` },
  // Planner
  { name: "random_page_cost", value: 1.1,
    why: "on SSD a random page costs about as much as the next one: the default of 4 asks for sequential scans",
    source: `${docs}/runtime-config-query.html#GUC-RANDOM-PAGE-COST` },
  { name: "effective_io_concurrency", value: 200,
    why: "SSD and gp3 volumes serve many requests at once",
    source: `${docs}/runtime-config-resource.html#GUC-EFFECTIVE-IO-CONCURRENCY` },
  { name: "default_statistics_target", value: 200,
    why: "prices are skewed per stock and date: finer histograms give better row estimates",
    source: `${docs}/runtime-config-query.html#GUC-DEFAULT-STATISTICS-TARGET` },
  { name: "jit", value: false,
    why: "compiling takes longer than most of these queries, most of all over many partitions",
    source: `${docs}/jit-decision.html` },
  // Parallel workers
  { name: "max_worker_processes", static: true,
    value: ({ cpus }) => Math.max(8, cpus), rds: "{GREATEST({DBInstanceVCPU*2},8)}",
    why: "the ceiling of all parallel workers",
    source: `${docs}/runtime-config-resource.html#GUC-MAX-WORKER-PROCESSES` },
  { name: "max_parallel_workers", value: ({ cpus }) => Math.max(2, cpus), rds: "{GREATEST({DBInstanceVCPU},2)}",
    why: "no more than there are processors",
    source: `${docs}/runtime-config-resource.html#GUC-MAX-PARALLEL-WORKERS` },
  { name: "max_parallel_workers_per_gather", value: ({ cpus }) => clamp(Math.ceil(cpus / 2), 1, 4), rds: 2,
    why: "half of the processors for one query leaves room for the others",
    source: `${docs}/runtime-config-resource.html#GUC-MAX-PARALLEL-WORKERS-PER-GATHER` },
  { name: "max_parallel_maintenance_workers", value: ({ cpus }) => clamp(Math.ceil(cpus / 2), 1, 4), rds: 2,
    why: "index builds of a migration use half of the processors",
    source: `${docs}/runtime-config-resource.html#GUC-MAX-PARALLEL-MAINTENANCE-WORKERS` },
  // Autovacuum
  { name: "autovacuum_vacuum_scale_factor", value: 0.05,
    why: "20 % of a big table is too late: dead rows slow index-only scans long before",
    source: `${docs}/runtime-config-vacuum.html#GUC-AUTOVACUUM-VACUUM-SCALE-FACTOR` },
  { name: "autovacuum_analyze_scale_factor", value: 0.02,
    why: "the newest days are queried most, and statistics must know them",
    source: `${docs}/runtime-config-vacuum.html#GUC-AUTOVACUUM-ANALYZE-SCALE-FACTOR` },
  { name: "autovacuum_vacuum_insert_scale_factor", value: 0.05,
    why: "prices are only ever added: without it nothing would set the visibility map for index-only scans",
    source: `${docs}/runtime-config-vacuum.html#GUC-AUTOVACUUM-VACUUM-INSERT-SCALE-FACTOR` },
  { name: "autovacuum_vacuum_cost_limit", value: 2000,
    why: "the default of 200 throttles vacuum to a speed meant for spinning disks",
    source: `${docs}/runtime-config-vacuum.html#GUC-AUTOVACUUM-VACUUM-COST-LIMIT` },
  // What is watched
  { name: "shared_preload_libraries", static: true, value: "pg_stat_statements,auto_explain", rds: "pg_stat_statements,auto_explain",
    why: "the statements that cost most can only be named when they are counted, and explained by their plans",
    source: `${docs}/pgstatstatements.html` },
  { name: "track_io_timing", value: true,
    why: "tells reading from computing in plans and statistics",
    source: `${docs}/runtime-config-statistics.html#GUC-TRACK-IO-TIMING` },
  { name: "log_min_duration_statement", unit: "ms", value: 1000,
    why: "a statement over a second is a finding",
    source: `${docs}/runtime-config-logging.html#GUC-LOG-MIN-DURATION-STATEMENT` },
  { name: "auto_explain.log_min_duration", unit: "ms", value: 1000,
    why: "as log_min_duration_statement: a statement over a second is worth its plan",
    source: `${docs}/auto-explain.html` },
  { name: "auto_explain.log_format", value: "json",
    why: "toolkit check query-plans reads it to the letter",
    source: `${docs}/auto-explain.html` },
  { name: "auto_explain.log_analyze", value: true,
    why: "without it a plan tells only what was expected",
    source: `${docs}/auto-explain.html` },
  { name: "auto_explain.log_timing", value: false,
    why: "the clock of every step is what costs; counting rows hardly does",
    source: `${docs}/auto-explain.html` },
  { name: "auto_explain.log_parameter_max_length", since: 16, unit: "B", value: 0,
    why: "parameters may be secret",
    source: `${docs}/auto-explain.html` },
  { name: "log_lock_waits", value: true,
    why: "a wait over deadlock_timeout names the sessions that stand in the way",
    source: `${docs}/runtime-config-logging.html#GUC-LOG-LOCK-WAITS` },
  { name: "log_temp_files", unit: "kB", value: 10_240,
    why: "a sort that spills over 10 MB wants more work_mem or an index",
    source: `${docs}/runtime-config-logging.html#GUC-LOG-TEMP-FILES` },
  { name: "log_autovacuum_min_duration", unit: "ms", value: 10_000,
    why: "long vacuums explain slow minutes",
    source: `${docs}/runtime-config-logging.html#GUC-LOG-AUTOVACUUM-MIN-DURATION` },
];

const isRdsOnly = (parameter: Parameter) => parameter.name.startsWith("rds.");
const exists = (parameter: Parameter, version: number) => (parameter.since ?? 0) <= version;

const bytesOf: Partial<Record<Unit, number>> = { B: 1, "8kB": page, kB, MB };

/** A value as a person would write it: memory in whole MB where it is, time with its unit. */
function readable(value: Value, unit?: Unit): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "string" || !unit) return String(value);
  const size = bytesOf[unit];
  if (!size) return `${value}${unit}`;
  const bytes = value * size;
  return bytes % MB === 0 ? `${bytes / MB}MB` : `${Math.floor(bytes / kB)}kB`;
}

/**
 * The settings of an embedded server, sized to its machine.
 * @param overrides values from the stack's configuration, which win; an override may name any parameter
 */
export function embeddedSettings(
  version: number,
  machine: Machine,
  overrides: Record<string, Value> = {},
): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const parameter of parameters) {
    if (isRdsOnly(parameter) || !exists(parameter, version)) continue;
    const value = typeof parameter.value === "function" ? parameter.value(machine) : parameter.value;
    settings[parameter.name] = readable(value, parameter.unit);
  }
  for (const [name, value] of Object.entries(overrides)) settings[name] = readable(value);
  return settings;
}

/** One entry of an RDS parameter group, in the form of `aws.rds.ParameterGroup`. */
export interface RdsParameter {
  name: string;
  value: string;
  applyMethod: "immediate" | "pending-reboot";
}

/**
 * The entries of an RDS parameter group. Overrides that the table does not know are taken as dynamic, in RDS's unit.
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ParamValuesRef.html for the formulas
 */
export function rdsParameters(version: number, overrides: Record<string, Value> = {}): RdsParameter[] {
  const entries = new Map<string, RdsParameter>();
  for (const parameter of parameters) {
    const value = overrides[parameter.name] ?? parameter.rds ?? parameter.value;
    if (value === false && parameter.rds === false && !(parameter.name in overrides)) continue;
    if (!exists(parameter, version) || typeof value === "function") continue;
    entries.set(parameter.name, {
      name: parameter.name,
      value: typeof value === "boolean" ? (value ? "1" : "0") : String(value),
      applyMethod: parameter.static ? "pending-reboot" : "immediate",
    });
  }
  for (const [name, value] of Object.entries(overrides)) {
    if (entries.has(name)) continue;
    entries.set(name, {
      name,
      value: typeof value === "boolean" ? (value ? "1" : "0") : String(value),
      applyMethod: "immediate",
    });
  }
  return [...entries.values()].sort((a, b) => a.name.localeCompare(b.name));
}
