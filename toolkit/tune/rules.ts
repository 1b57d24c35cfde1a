import type { Evidence } from "./evidence.ts";
import { thresholds } from "./thresholds.ts";
import { GB, inBytes, inUnit, MB, readable, type Unit, type Value } from "./units.ts";

export const workloads = ["oltp", "analytics", "mixed"] as const;
export type Workload = (typeof workloads)[number];

/** What a server has and what is asked of it. */
export interface Need {
  /** Bytes. */
  memory: number;
  cpus: number;
  workload: Workload;
  /** Sessions of all pools together. */
  sessions: number;
  maxConnections: number;
}

/** What the live database says against a rule, and the value that follows. */
export interface Correction {
  value: number;
  because: string;
}

/** How one parameter is chosen. */
export interface Rule {
  name: string;
  unit?: Unit;
  /** A difference that is not worth a change, as a share of the recommendation: RDS counts memory a little differently. */
  tolerance?: number;
  /** A larger value than the recommended one does no harm, and stays. */
  atLeast?: true;
  value(need: Need): Value;
  /** @param today the present value, in the rule's unit */
  correct?(evidence: Evidence, value: number, today: number, need: Need): Correction | undefined;
  why: string;
  source: string;
}

const docs = "https://www.postgresql.org/docs/current";
const pgtune = "https://github.com/le0pard/pgtune/blob/master/src/features/configuration/configurationSlice.js";
const autovacuumGuide =
  "https://docs.aws.amazon.com/prescriptive-guidance/latest/tuning-postgresql-parameters/autovacuum-vacuum-cost-limit.html";

const clamp = (value: number, least: number, most: number) => Math.min(Math.max(value, least), most);
const sharedBuffers = ({ memory }: Need) => clamp(memory / 4, 128 * MB, 16 * GB);
const by =
  <T>(values: Record<Workload, T>) =>
  ({ workload }: Need) =>
    values[workload];
const half = ({ cpus }: Need) => Math.ceil(cpus / 2);
const percent = (share: number) => `${Math.round(100 * share)} %`;

const { leastCheckpoints, requestedPercent, leastTempFiles, missPercent, freeSessionsPercent } = thresholds;

/** Every parameter that size or workload decide, in the order of PostgreSQL's manual. */
// biome-ignore format: one parameter, one block
export const rules: Rule[] = [
  { name: "max_connections",
    value: ({ maxConnections }) => maxConnections,
    correct: ({ sessions }, value) => {
      const wanted = Math.ceil(sessions * (1 + freeSessionsPercent.value / 100) / 10) * 10;
      return wanted > value ? { value: wanted, because: `${sessions} sessions are open now, and a quarter more has to fit` } : undefined;
    },
    why: "the pools twice, for deployments overlap, and the headroom below; each session more costs memory and snapshots",
    source: `${docs}/runtime-config-connection.html#GUC-MAX-CONNECTIONS` },
  { name: "shared_buffers", unit: "8kB", tolerance: 0.15,
    value: (need) => inUnit(sharedBuffers(need), "8kB"),
    correct: ({ missShare, databaseBytes }, value, _, { memory }) => {
      const most = inUnit(memory * 0.4, "8kB");
      return 100 * missShare > missPercent.value && databaseBytes > inBytes(value, "8kB") && most > value
        ? { value: most, because: `${percent(missShare)} of the blocks were not found in it, and the database is larger: 40 % of memory is the documented most` }
        : undefined;
    },
    why: "a quarter of memory is the documented start for a dedicated server",
    source: `${docs}/runtime-config-resource.html#GUC-SHARED-BUFFERS` },
  { name: "work_mem", unit: "kB", tolerance: 0.15,
    value: (need) => {
      const share = (need.memory - sharedBuffers(need)) / ((need.maxConnections + Math.max(8, need.cpus)) * 3);
      return inUnit(clamp(need.workload === "oltp" ? share : share / 2, 4 * MB, GB), "kB");
    },
    correct: ({ tempFiles, tempBytes }, value, today, { memory, sessions }) => {
      if (tempFiles < leastTempFiles.value) return undefined;
      // In memory a sort takes more than on disk; the sessions of the pools, all at once, may take a quarter of memory.
      const most = inUnit(memory / 4 / sessions, "kB");
      const spilt = inUnit(2 * tempBytes / tempFiles, "kB");
      const wanted = Math.min(2 ** Math.ceil(Math.log2(Math.max(spilt, today + 1))), most);
      return wanted > value
        ? { value: wanted, because: `${tempFiles} temporary files of ${readable(inUnit(tempBytes / tempFiles, "kB"), "kB")} on average were written since the counters began` }
        : undefined;
    },
    why: "PGTune's rule: what shared_buffers leaves, for three sorts in each session; half of that where queries are large and run in parallel",
    source: `${docs}/runtime-config-resource.html#GUC-WORK-MEM, ${pgtune}` },
  { name: "maintenance_work_mem", unit: "kB", tolerance: 0.15,
    value: (need) => inUnit(clamp(need.memory / (need.workload === "analytics" ? 8 : 16), 64 * MB, 2 * GB), "kB"),
    why: "PGTune's rule: a sixteenth of memory, an eighth where indexes are built on large tables; 2 GB at most, for autovacuum's workers take it too",
    source: `${docs}/runtime-config-resource.html#GUC-MAINTENANCE-WORK-MEM, ${pgtune}` },
  { name: "effective_io_concurrency",
    value: () => 200,
    why: "PGTune's rule: SSD and gp3 volumes serve many requests at once",
    source: `${docs}/runtime-config-resource.html#GUC-EFFECTIVE-IO-CONCURRENCY, ${pgtune}` },
  { name: "max_worker_processes", atLeast: true,
    value: ({ cpus }) => Math.max(8, cpus),
    why: "the ceiling of all parallel workers: one a processor, and never below PostgreSQL's default",
    source: `${docs}/runtime-config-resource.html#GUC-MAX-WORKER-PROCESSES` },
  { name: "max_parallel_workers",
    value: ({ cpus }) => Math.max(2, cpus),
    why: "no more than there are processors",
    source: `${docs}/runtime-config-resource.html#GUC-MAX-PARALLEL-WORKERS` },
  { name: "max_parallel_workers_per_gather",
    value: (need) => Math.min(half(need), by({ oltp: 2, mixed: 4, analytics: 8 })(need)),
    why: "PGTune's rule: half of the processors for one query; two at most where many short ones run beside it",
    source: `${docs}/runtime-config-resource.html#GUC-MAX-PARALLEL-WORKERS-PER-GATHER, ${pgtune}` },
  { name: "max_parallel_maintenance_workers",
    value: (need) => Math.min(half(need), 4),
    why: "PGTune's rule: index builds use half of the processors, four at most",
    source: `${docs}/runtime-config-resource.html#GUC-MAX-PARALLEL-MAINTENANCE-WORKERS, ${pgtune}` },
  { name: "checkpoint_timeout", unit: "s",
    value: () => 900,
    why: "fewer checkpoints write fewer full pages; recovery stays within minutes",
    source: `${docs}/runtime-config-wal.html#GUC-CHECKPOINT-TIMEOUT` },
  { name: "max_wal_size", unit: "MB", atLeast: true,
    value: (need) => inUnit(by({ oltp: 8, mixed: 4, analytics: 16 })(need) * GB, "MB"),
    correct: ({ checkpointsTimed, checkpointsRequested }, value, today) => {
      const all = checkpointsTimed + checkpointsRequested;
      const share = all < leastCheckpoints.value ? 0 : checkpointsRequested / all;
      const wanted = Math.min(2 * today, inUnit(64 * GB, "MB"));
      return 100 * share > requestedPercent.value && wanted > value
        ? { value: wanted, because: `${checkpointsRequested} of ${all} checkpoints were asked for before their time` }
        : undefined;
    },
    why: "PGTune's rule by workload: checkpoints come by time, and a load does not force one every gigabyte",
    source: `${docs}/wal-configuration.html, ${pgtune}` },
  { name: "min_wal_size", unit: "MB", atLeast: true,
    value: (need) => inUnit(by({ oltp: 2, mixed: 1, analytics: 4 })(need) * GB, "MB"),
    why: "PGTune's rule: a quarter of max_wal_size is kept for reuse",
    source: `${docs}/runtime-config-wal.html#GUC-MIN-WAL-SIZE, ${pgtune}` },
  { name: "random_page_cost",
    value: () => 1.1,
    why: "PGTune's rule for SSD: a random page costs about as much as the next one",
    source: `${docs}/runtime-config-query.html#GUC-RANDOM-PAGE-COST, ${pgtune}` },
  { name: "effective_cache_size", unit: "8kB", tolerance: 0.15,
    value: ({ memory }) => inUnit(memory * 0.75, "8kB"),
    why: "PGTune's rule: tells the planner that three quarters of memory hold cached pages",
    source: `${docs}/runtime-config-query.html#GUC-EFFECTIVE-CACHE-SIZE, ${pgtune}` },
  { name: "default_statistics_target", atLeast: true,
    value: by({ oltp: 200, mixed: 200, analytics: 500 }),
    why: "prices are skewed per stock and date: finer histograms; 500 is PGTune's rule for data warehouses",
    source: `${docs}/runtime-config-query.html#GUC-DEFAULT-STATISTICS-TARGET, ${pgtune}` },
  { name: "jit",
    value: by({ oltp: false, mixed: false, analytics: true }),
    why: "compiling pays for long queries that compute, and costs short ones more than they take",
    source: `${docs}/jit-decision.html` },
  { name: "autovacuum_vacuum_cost_limit", atLeast: true,
    value: ({ cpus }) => clamp(1000 * cpus, 2000, 4000),
    correct: ({ tablesBehind }, value, today) => {
      const wanted = Math.min(2 * Math.max(today, 200), 10_000);
      return tablesBehind > 0 && wanted > value
        ? { value: wanted, because: `autovacuum is behind on ${tablesBehind} ${tablesBehind === 1 ? "table" : "tables"}` }
        : undefined;
    },
    why: "the default of 200 throttles all workers together to a speed meant for spinning disks",
    source: `${docs}/runtime-config-vacuum.html#GUC-AUTOVACUUM-VACUUM-COST-LIMIT, ${autovacuumGuide}` },
];
