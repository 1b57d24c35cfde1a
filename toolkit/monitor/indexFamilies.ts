import type { Database } from "./database.ts";
import type { Index } from "./indexes.ts";
import type { Table } from "./tables.ts";

/** An index, or one of a partitioned table with those of its partitions. */
export interface IndexFamily {
  index: Index;
  table: Table;
  /** All of them, itself as well. */
  parts: Index[];
  scans: number;
  pages: number;
  /** Those that are invalid, and that nobody is building. */
  invalid: Index[];
}

/** The indexes, each with those of its partitions. */
export async function indexFamilies(database: Database): Promise<IndexFamily[]> {
  const [tables, indexes] = [await database.tables(), await database.indexes()];
  const tableOf = new Map(tables.map((table) => [table.oid, table]));
  const indexOf = new Map(indexes.map((index) => [index.oid, index]));
  const found = new Map<number, IndexFamily>();
  for (const index of indexes) {
    let root = index;
    while (root.parent !== null && indexOf.has(root.parent)) root = indexOf.get(root.parent)!;
    const table = tableOf.get(root.table);
    if (!table) continue;
    const family = found.get(root.oid) ?? { index: root, table, parts: [], scans: 0, pages: 0, invalid: [] };
    family.parts.push(index);
    family.scans += index.scans;
    family.pages += index.pages;
    if (!index.valid && !index.building) family.invalid.push(index);
    found.set(root.oid, family);
  }
  return [...found.values()];
}

/**
 * Indexes that another one of the same table makes superfluous, with that one: the key is the same, or is how the
 * other begins. A unique index only gives way to a unique one with the same key.
 */
export function duplicates(all: IndexFamily[]): Map<IndexFamily, IndexFamily> {
  const found = new Map<IndexFamily, IndexFamily>();
  for (const family of all) {
    const by = all.find((other) => other !== family && !found.has(other) && covers(other.index, family.index));
    if (by) found.set(family, by);
  }
  return found;
}

function covers(other: Index, index: Index): boolean {
  if (other.table !== index.table || other.method !== index.method || other.predicate !== index.predicate) return false;
  if (!other.valid || !index.valid || index.required) return false;
  if (index.keyDetails.split("|").length > 3 || other.keyDetails.split("|").length > 3)
    return String(other.columns) === String(index.columns) && other.keyDetails === index.keyDetails;
  const same = other.keyColumns === index.keyColumns;
  if (index.unique && !(same && other.unique)) return false;
  if (index.method !== "btree" && !same) return false;
  const included = index.columns.slice(index.keyColumns).every((column) => other.columns.includes(column));
  return included && startsWith(other, index);
}

/** Whether an index's key, with its operator classes, collations and order, begins with another's. */
function startsWith(other: Index, index: Index): boolean {
  const parts = (i: Index) => [
    i.columns.slice(0, i.keyColumns),
    ...i.keyDetails.split("|").map((part) => part.split(" ")),
  ];
  const theirs = parts(other);
  return parts(index).every((part, n) => part.slice(0, index.keyColumns).every((value, k) => value === theirs[n]![k]));
}
