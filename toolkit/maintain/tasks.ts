import { docs } from "../monitor/sources.ts";
import { closedWaysBack } from "./conversions.ts";
import { bloatedIndexes, leftoverIndexes } from "./indexes.ts";
import type { Task } from "./step.ts";
import { tablesToAnalyze, tablesToFreeze, tablesToVacuum } from "./tables.ts";
import {
  expiredPartitions,
  missingPartitions,
  oldBackups,
  oldHistory,
  staleSummaries,
  unpackedPrices,
} from "./upkeep.ts";

const shareUpdate = "share update exclusive: only schema changes and other maintenance wait, and then it yields";

/** All upkeep, in the order in which it is done: what may stop writes, what slows queries, what wastes room. */
export const tasks: readonly Task[] = [
  {
    name: "partitions",
    title: "make partitions ahead",
    decides: "the policy of the table, or the rule that its partitions follow",
    runs: "toolkit partitions ensure",
    lock: "share update exclusive, for 200 ms at most",
    source: `${docs}/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE`,
    find: missingPartitions,
  },
  {
    name: "freeze",
    title: "free old transaction ids",
    decides: "wraparound.age of `toolkit check`",
    runs: "vacuum (freeze, skip_locked)",
    lock: shareUpdate,
    source: `${docs}/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND`,
    find: tablesToFreeze,
  },
  {
    name: "vacuum",
    title: "remove dead rows",
    decides: "dead-tuples.deadRows and .deadPercent of `toolkit check`",
    runs: "vacuum (skip_locked), with analyze where statistics are old, too",
    lock: shareUpdate,
    source: `${docs}/routine-vacuuming.html#VACUUM-FOR-SPACE-RECOVERY`,
    find: tablesToVacuum,
  },
  {
    name: "analyze",
    title: "make statistics anew",
    decides: "dead-tuples.changedRows and .changedPercent of `toolkit check`",
    runs: "analyze (skip_locked)",
    lock: shareUpdate,
    source: `${docs}/routine-vacuuming.html#VACUUM-FOR-STATISTICS`,
    find: tablesToAnalyze,
  },
  {
    name: "leftovers",
    title: "drop what interrupted rebuilds left",
    decides: "an invalid index named …_ccnew or …_ccold that nobody builds",
    runs: "drop index concurrently",
    lock: shareUpdate,
    source: `${docs}/sql-reindex.html#SQL-REINDEX-CONCURRENTLY`,
    find: leftoverIndexes,
  },
  {
    name: "reindex",
    title: "rebuild bloated indexes, one at a time",
    decides: "bloat.bloatBytes and .bloatPercent of `toolkit check`, and room on the disk",
    runs: "reindex index concurrently",
    lock: shareUpdate,
    source: `${docs}/routine-reindex.html`,
    find: bloatedIndexes,
  },
  {
    name: "summaries",
    title: "bring the summaries of prices up to date",
    decides: "prices that changed since the last refresh",
    runs: "refresh_daily_market_summary(), refresh materialized view concurrently",
    lock: "exclusive on the summary: other refreshes wait, readers do not",
    source: `${docs}/sql-refreshmaterializedview.html`,
    find: staleSummaries,
  },
  {
    name: "retention",
    title: "detach, archive or drop expired partitions",
    decides: "the retention that `toolkit partitions policy` has set",
    runs: "toolkit partitions retain",
    lock: "share update exclusive, or access exclusive where a default partition asks for it, for 200 ms at most",
    source: `${docs}/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE`,
    find: expiredPartitions,
  },
  {
    name: "conversions",
    title: "drop the plain tables of finished conversions",
    decides: "--keep-for of `toolkit partition`, which keeps the way back open",
    runs: "toolkit partition TABLE --cleanup --yes",
    lock: "access exclusive on the table, for 50 ms at most, to drop the triggers",
    source: `${docs}/sql-droptrigger.html`,
    find: closedWaysBack,
  },
  {
    name: "compression",
    title: "pack old prices",
    decides: "--pack-older-than",
    runs: "toolkit compress pack",
    lock: "share row exclusive on the old partitions: writers to their days wait",
    source: `${docs}/explicit-locking.html#LOCKING-TABLES`,
    find: unpackedPrices,
  },
  {
    name: "history",
    title: "roll up and prune the monitoring history",
    decides: "the table monitoring.policy",
    runs: "drop table of the expired days",
    lock: "access exclusive on days that nobody reads",
    source: `${docs}/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE`,
    find: oldHistory,
  },
  {
    name: "backups",
    title: "remove old backups",
    decides: "--backup-count and --backup-days",
    runs: "toolkit backups prune",
    lock: "none in the database",
    source: `${docs}/continuous-archiving.html`,
    find: oldBackups,
  },
];
