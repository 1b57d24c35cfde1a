import { bloat } from "../monitor/bloat.ts";
import { cacheHits } from "../monitor/cacheHits.ts";
import { deadTuples } from "../monitor/deadTuples.ts";
import { partitions } from "../monitor/partitions.ts";
import { sequences } from "../monitor/sequences.ts";
import { sizes } from "../monitor/sizes.ts";
import type { Snapshot } from "../monitor/snapshot.ts";
import { tableHealth } from "../monitor/tableHealth.ts";
import { rowsOf } from "../status/sampler.ts";
import { each, most } from "./samples.ts";
import type { Metric } from "./table.ts";

const nameOf = ({ object }: { object: string }) => object;
const ofTable = { type: "gauge", labels: ["table"] } as const;

// The first to run out of partitions first; a table that is not partitioned by time has no figure.
const byCover = (taken: Snapshot) =>
  rowsOf(taken, partitions).toSorted(
    (first, second) => (first.aheadDays ?? Number.POSITIVE_INFINITY) - (second.aheadDays ?? Number.POSITIVE_INFINITY),
  );

/** What is said of tables, a partitioned one being one, and of sequences. */
export const tableMetrics: Metric[] = [
  {
    ...{ name: "pg_table_health_score", ...ofTable },
    help: `Health of a table, 100 being the best, for the ${most} worst.`,
    read: (taken) => each(rowsOf(taken, tableHealth), "table", nameOf, ({ score }) => score),
    cloudWatch: { name: "TableHealth", unit: "None", worst: "lowest" },
  },
  {
    ...{ name: "pg_table_size_bytes", ...ofTable },
    help: `Size of a table without its indexes, for the ${most} largest.`,
    read: (taken) => each(rowsOf(taken, sizes), "table", nameOf, ({ sizeBytes }) => sizeBytes),
  },
  {
    ...{ name: "pg_table_indexes_size_bytes", ...ofTable },
    help: `Size of the indexes of a table, for the ${most} largest tables.`,
    read: (taken) => each(rowsOf(taken, sizes), "table", nameOf, ({ indexBytes }) => indexBytes),
  },
  {
    ...{ name: "pg_stat_user_tables_n_live_tup", ...ofTable },
    help: `Rows, by estimate, for the ${most} tables with the most dead ones.`,
    read: (taken) => each(rowsOf(taken, deadTuples), "table", nameOf, ({ liveRows }) => liveRows),
  },
  {
    ...{ name: "pg_stat_user_tables_n_dead_tup", ...ofTable },
    help: `Dead rows that vacuum has not removed, by estimate, for the ${most} tables with the most.`,
    read: (taken) => each(rowsOf(taken, deadTuples), "table", nameOf, ({ deadRows }) => deadRows),
  },
  {
    ...{ name: "pg_table_cache_hit_percent", ...ofTable },
    help: `Of the pages of a table that were asked for, how many were in shared_buffers, for ${most} tables.`,
    read: (taken) =>
      each(
        rowsOf(taken, cacheHits)
          .filter(({ kind }) => kind === "table")
          .toSorted((first, second) => second.readPages - first.readPages),
        "table",
        nameOf,
        ({ hitPercent }) => hitPercent,
      ),
  },
  {
    ...{ name: "pg_table_bloat_bytes", ...ofTable },
    help: `Space of a table that is empty, by estimate, for the ${most} with the most.`,
    read: (taken) =>
      each(
        rowsOf(taken, bloat).filter(({ kind }) => kind === "table"),
        "table",
        nameOf,
        ({ bloatBytes }) => bloatBytes,
      ),
  },
  {
    ...{ name: "pg_partition_ahead_days", ...ofTable },
    help: "How far ahead a table has partitions.",
    read: (taken) => each(byCover(taken), "table", nameOf, ({ aheadDays }) => aheadDays),
    cloudWatch: { name: "PartitionsAhead", unit: "None", worst: "lowest" },
  },
  {
    ...{ name: "pg_partition_default_rows", ...ofTable },
    help: "Rows that no partition was made for, by estimate.",
    read: (taken) => each(byCover(taken), "table", nameOf, ({ defaultRows }) => defaultRows),
  },
  {
    ...{ name: "pg_sequence_used_percent", type: "gauge", labels: ["sequence"] },
    help: `How far a sequence is used up, for the ${most} that are most.`,
    read: (taken) => each(rowsOf(taken, sequences), "sequence", nameOf, ({ usedPercent }) => usedPercent),
    cloudWatch: { name: "SequenceUsed", unit: "Percent", worst: "highest" },
  },
];
