import { createHash } from "node:crypto";
import { type Candidate, definition } from "./candidates.ts";

// PostgreSQL cuts names after NAMEDATALEN - 1 bytes.
const longestName = 63;

/** The names of new indexes, as PostgreSQL forms them from table and columns, each one that no index has. */
export function indexNames(candidates: readonly Candidate[]): string[] {
  const taken = new Set(candidates.flatMap(({ table }) => table.indexes.map(({ name }) => name.split(".").at(-1)!)));
  return candidates.map((candidate) => {
    const { table, key, predicate } = candidate;
    const columns = key.map(({ column }) => (column.startsWith("(") ? /\((\w+)/.exec(column)![1]! : column));
    const hash = createHash("sha256").update(definition(candidate)).digest("hex").slice(0, 8);
    const base = [table.relname, ...columns]
      .join("_")
      .replace(/[^a-zA-Z0-9_]/g, "_")
      .toLowerCase();
    const plain = `${base}${predicate ? "_partial" : ""}_idx`;
    const name =
      plain.length > longestName || taken.has(plain) ? `${base.slice(0, longestName - 13)}_${hash}_idx` : plain;
    taken.add(name);
    return name;
  });
}
