import { question } from "./question.ts";
import { docs, rdsGuide } from "./sources.ts";
import { families, type Table, total } from "./tables.ts";
import { bytes, percent, share } from "./texts.ts";

interface Row {
  object: string;
  sizeBytes: number;
  indexBytes: number;
  rows: number;
  partitions: number;
  /** What the rows that were added since the last vacuum or analyze take, as a share of the table then. */
  growthPercent: number;
}

/**
 * Sizes of tables are those of their last vacuum or analyze, grown as their rows grew: the exact size takes a lock on
 * each table and a look at each file, and would hang behind whoever alters one. The database's is exact.
 */
export const sizes = question<Row, "diskBytes" | "diskPercent" | "diskCriticalPercent" | "unpartitionedBytes">({
  name: "sizes",
  title: "How large is what, and what grows?",
  thresholds: {
    diskBytes: {
      value: 0,
      unit: "bytes",
      why: "SQL cannot see the disk: give its size to have the databases compared with it; 0 leaves that out.",
      source: `${docs}/disk-full.html`,
    },
    diskPercent: {
      value: 85,
      unit: "%",
      why: "The same as the runbook disk-nearly-full: an index build or a burst of WAL fits into the rest.",
      source: `${rdsGuide}/CHAP_BestPractices.html`,
    },
    diskCriticalPercent: {
      value: 95,
      unit: "%",
      why: "PostgreSQL stops when it cannot write WAL.",
      source: `${docs}/disk-full.html`,
    },
    unpartitionedBytes: {
      value: 100 * 1024 ** 3,
      unit: "bytes",
      why: "Partitioning pays once a table is larger than memory; 100 GB is so on most servers.",
      source: `${docs}/ddl-partitioning.html#DDL-PARTITIONING-OVERVIEW`,
    },
  },
  async ask(database, limits) {
    const { pageBytes } = database.server;
    const { rows: databases } = await database.query<{ size: number }>(
      "select sum(pg_database_size(oid))::float8 as size from pg_database where has_database_privilege(oid, 'connect')",
    );
    const indexPages = new Map<number, number>();
    for (const { table, pages } of await database.indexes())
      indexPages.set(table, (indexPages.get(table) ?? 0) + pages);
    const rows = families(await database.tables()).map((family) => {
      const then = total(family, ({ pages, toastPages }) => pages + toastPages) * pageBytes;
      const now = total(family, (table) => (table.pages + table.toastPages) * growth(table)) * pageBytes;
      return {
        object: family.table.name,
        sizeBytes: Math.round(now),
        indexBytes: total(family, ({ oid }) => indexPages.get(oid) ?? 0) * pageBytes,
        rows: total(family, ({ liveRows, rowsThen }) => Math.max(liveRows, rowsThen, 0)),
        partitions: family.table.kind === "partitioned table" ? family.members.length : 0,
        growthPercent: then > 0 ? share(now - then, then) : 0,
      };
    });
    rows.sort((one, other) => other.sizeBytes + other.indexBytes - one.sizeBytes - one.indexBytes);
    const size = databases[0]!.size;
    const used = share(size, limits.diskBytes);
    const findings = rows
      .filter((row) => row.partitions === 0 && row.sizeBytes >= limits.unpartitionedBytes)
      .map(({ object, sizeBytes }) => ({
        severity: "notice" as const,
        object,
        what: `${object} holds ${bytes(sizeBytes)} in one piece.`,
        why: "Vacuum, index builds and the removal of old rows work on all of it at once.",
        fix: `Where its rows have a date: toolkit partition ${object} --dry-run.`,
      }));
    if (used < limits.diskPercent) return { rows, findings };
    const full = {
      severity: used >= limits.diskCriticalPercent ? ("critical" as const) : ("warning" as const),
      object: "",
      what: `The databases take ${bytes(size)}, ${percent(used)} of a disk of ${bytes(limits.diskBytes)}; WAL and temporary files come on top.`,
      why: "PostgreSQL stops when it cannot write.",
      fix: "Enlarge the disk, or find what fills it.",
      runbook: "disk-nearly-full" as const,
    };
    return { rows, findings: [full, ...findings] };
  },
});

/** How much larger a table is than at its last vacuum or analyze, by its rows, dead ones too. */
export function growth({ rowsThen, liveRows, deadRows }: Table): number {
  return rowsThen > 0 ? Math.max(1, (liveRows + deadRows) / rowsThen) : 1;
}
