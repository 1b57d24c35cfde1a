import type { Index } from "./indexes.ts";
import { indexFamilies } from "./indexFamilies.ts";
import { type Finding, question } from "./question.ts";
import { docs, estimates, pghero } from "./sources.ts";
import { families, type Table } from "./tables.ts";
import { bytes, percent, share } from "./texts.ts";
import type { Widths } from "./widths.ts";

interface Row {
  object: string;
  kind: "table" | "index";
  sizeBytes: number;
  bloatBytes: number;
  bloatPercent: number;
}

// The layout of a page: its header, the pointer to each row, the header of a row, and the alignment of 64-bit machines.
const [pageHeader, pointer, rowHeader, indexRowHeader, btreeSpecial, alignment] = [24, 4, 23, 8, 16, 8];
const align = (size: number) => Math.ceil(size / alignment) * alignment;

/**
 * The space that is neither rows nor their headers, estimated from statistics: the pages that the rows would need if
 * they lay close, taken from those that there are. Off by some percent, and by more for very uneven rows; an index whose
 * repeated keys are stored once counts as less bloated than it is. The extension pgstattuple measures it, by reading
 * everything.
 */
export const bloat = question<Row, "bloatBytes" | "bloatPercent">({
  name: "bloat",
  title: "How much space is wasted?",
  thresholds: {
    bloatBytes: {
      value: 100 * 1024 ** 2,
      unit: "bytes",
      why: "Less than 100 MB is not worth a rebuild.",
      source: `${pghero}/blob/master/lib/pghero/methods/indexes.rb`,
    },
    bloatPercent: {
      value: 40,
      unit: "%",
      why: "An estimate is off by up to some 20 %, and a table in use keeps some room for updates.",
      source: estimates,
    },
  },
  async ask(database, limits) {
    const [tables, widths] = [await database.tables(), await database.widths()];
    const { pageBytes } = database.server;
    const byOid = new Map(tables.map((table) => [table.oid, table]));
    const known = new Map([...widths].filter(([, { unknown }]) => unknown === 0));
    const rows: Row[] = [];
    for (const family of families(tables)) {
      const members = family.members.flatMap((table) => {
        const width = known.get(table.oid);
        return width ? [{ pages: table.pages, wasted: tableBloat(table, width, pageBytes) }] : [];
      });
      if (members.length > 0) rows.push(rowOf(family.table.name, "table", members, pageBytes));
    }
    for (const { index, parts } of await indexFamilies(database)) {
      const members = parts.flatMap((part) => {
        const [table, width] = [byOid.get(part.table), known.get(part.table)];
        const wasted = table && width ? indexBloat(part, table, width, pageBytes) : undefined;
        return wasted === undefined ? [] : [{ pages: part.pages, wasted }];
      });
      if (members.length > 0) rows.push(rowOf(index.name, "index", members, pageBytes));
    }
    rows.sort((one, other) => other.bloatBytes - one.bloatBytes);
    // Partitions that hold rows, and whose columns nobody has counted or this role may not read.
    const hidden = tables.filter(
      (table) => table.pages > 0 && table.kind !== "partitioned table" && !known.has(table.oid),
    );
    return {
      rows,
      findings: rows
        .filter((row) => row.bloatBytes >= limits.bloatBytes && row.bloatPercent >= limits.bloatPercent)
        .map(findingOf),
      ...(hidden.length > 0
        ? {
            unavailable: `Of ${hidden.length} tables no statistics are to be seen (${hidden[0]!.name} and others): analyze them, or grant pg_read_all_data to this role.`,
          }
        : {}),
    };
  },
});

function rowOf(object: string, kind: Row["kind"], parts: { pages: number; wasted: number }[], pageBytes: number): Row {
  const pages = parts.reduce((sum, part) => sum + part.pages, 0);
  const wasted = parts.reduce((sum, part) => sum + part.wasted, 0);
  return {
    ...{ object, kind },
    sizeBytes: pages * pageBytes,
    bloatBytes: Math.round(wasted * pageBytes),
    bloatPercent: share(wasted, pages),
  };
}

/** Pages of a table that its rows would not need. */
export function tableBloat(table: Table, { columns, nulls }: Widths, pageBytes: number): number {
  if (table.rowsThen < 0 || table.pages === 0) return 0;
  const widths = Object.values(columns ?? {});
  const map = nulls ? Math.ceil(widths.length / 8) : 0;
  const row = align(rowHeader + map) + align(widths.reduce((sum, width) => sum + width, 0)) + pointer;
  const fill = Number(table.options.fillfactor ?? 100) / 100;
  const rowsPerPage = Math.max(1, Math.floor(((pageBytes - pageHeader) * fill) / row));
  return Math.max(0, table.pages - Math.ceil(table.rowsThen / rowsPerPage));
}

/** Pages of a B-tree that its entries would not need; undefined where that cannot be told. */
export function indexBloat(index: Index, table: Table, { columns }: Widths, pageBytes: number): number | undefined {
  if (index.method !== "btree" || index.rows < 0 || table.rowsThen < 0 || index.columns.includes(0)) return undefined;
  const width = index.columns.reduce((sum, column) => sum + (columns?.[column] ?? 0), 0);
  const entry = align(indexRowHeader + width) + pointer;
  const room = (pageBytes - pageHeader - btreeSpecial) * (index.fillfactor / 100);
  // The first page holds only where the root is.
  const needed = 1 + Math.ceil(index.rows / Math.max(1, Math.floor(room / entry)));
  return Math.max(0, index.pages - needed);
}

function findingOf({ object, kind, sizeBytes, bloatBytes, bloatPercent }: Row): Finding {
  const what = `About ${bytes(bloatBytes)} of the ${bytes(sizeBytes)} of ${object} hold nothing, ${percent(bloatPercent)}.`;
  return kind === "index"
    ? {
        ...{ severity: "warning", object, what },
        why: "Empty pages are read, cached and backed up like full ones.",
        fix: `reindex index concurrently ${object};`,
      }
    : {
        ...{ severity: "warning", object, what },
        why: `Vacuum makes the space free for new rows of this table, and gives back only what is empty at its end: ${docs}/routine-vacuuming.html#VACUUM-FOR-SPACE-RECOVERY.`,
        fix: `If it is not going to grow into it: vacuum (full, analyze) ${object}; in a quiet hour, for it locks out everybody; the extension pg_repack does it while the table is in use.`,
      };
}
