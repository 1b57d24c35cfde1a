import type { Threshold } from "../monitor/question.ts";
import { docs, guidance } from "../monitor/sources.ts";

/** From which figures on the evidence of a live database corrects a rule; the monitor finds fault later than this. */
export const thresholds = {
  leastCheckpoints: {
    value: 20,
    unit: "checkpoints",
    why: "A share of a few tells nothing: a start, a backup and a load ask for some.",
    source: `${docs}/monitoring-stats.html#MONITORING-PG-STAT-CHECKPOINTER-VIEW`,
  },
  requestedPercent: {
    value: 10,
    unit: "%",
    why: "Checkpoints should come by the clock; one in ten that does not is where max_wal_size begins to set the pace.",
    source: `${docs}/wal-configuration.html`,
  },
  leastTempFiles: {
    value: 20,
    unit: "files",
    why: "A few come from an index build or a report, and are no reason to give every session more.",
    source: `${docs}/runtime-config-resource.html#GUC-WORK-MEM`,
  },
  leastPages: {
    value: 100_000,
    unit: "pages",
    why: "Below some 800 MB of pages a ratio tells of the start of the server, and not of its work.",
    source: `${docs}/monitoring-stats.html#MONITORING-PG-STAT-DATABASE-VIEW`,
  },
  missPercent: {
    value: 5,
    unit: "%",
    why: "Of hot data 99 of 100 pages are found; at five times as many misses more memory is worth a restart.",
    source: `${guidance}/tuning-postgresql-parameters/shared-buffers.html`,
  },
  leastDeadRows: {
    value: 10_000,
    unit: "rows",
    why: "A small table is vacuumed in no time, and waits for nothing but autovacuum_naptime.",
    source: `${docs}/runtime-config-vacuum.html#GUC-AUTOVACUUM-NAPTIME`,
  },
  vacuumDelay: {
    value: 2,
    unit: "times",
    why: "Autovacuum comes when a table has as many dead rows as its formula says; with twice as many it does not keep up.",
    source: `${docs}/routine-vacuuming.html#AUTOVACUUM`,
  },
  freeSessionsPercent: {
    value: 25,
    unit: "%",
    why: "More than what is open now: then 80 % of max_connections is in use, above which AWS advises an alarm.",
    source: "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_BestPractices.html",
  },
} as const satisfies Record<string, Threshold>;
