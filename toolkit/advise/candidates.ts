import pg from "pg";
import type { Access } from "./accesses.ts";
import { distinctValues, type Table } from "./catalog.ts";

/** An index that may help. */
export interface Candidate {
  table: Table;
  method: "btree" | "brin";
  /** Columns by name, or expressions in parentheses. */
  key: { column: string; descending: boolean }[];
  include: string[];
  /** The condition of a partial index. */
  predicate: string | undefined;
}

// An index on less than this is hardly ever used: reading all of it costs no more.
const leastBytes = 10 * 8192;
// BRIN pays where the table is big and lies in the column's order; by default it sums up 128 pages at a time.
// https://www.postgresql.org/docs/current/brin.html
const [leastBrinBytes, leastCorrelation] = [128 * 8 * 8192, 0.9];
// More columns beside the key make an index as big as its table.
const mostIncluded = 4;
const mostKeyColumns = 4;
const mostCandidates = 80;

/** The indexes that may help some accesses, each once; those of the accesses that come first go first. */
export function candidatesFor(accesses: readonly Access[]): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const access of accesses.filter(({ table }) => table.bytes >= leastBytes))
    for (const candidate of candidatesOf(access)) {
      const text = definition(candidate);
      if (!found.has(text) && !exists(candidate)) found.set(text, candidate);
    }
  return [...found.values()].slice(0, mostCandidates);
}

function candidatesOf(access: Access): Candidate[] {
  const { table, named } = access;
  const selectivity = (column: string) => {
    const known = table.columns.find(({ name }) => name === column);
    return known ? distinctValues(known, table.rows) : 0;
  };
  const ascending = (columns: Iterable<string>) => [...columns].map((column) => ({ column, descending: false }));
  const equal = [...access.equal].sort((a, b) => selectivity(b) - selectivity(a) || a.localeCompare(b));
  // A scan goes both ways: all descending is all ascending.
  const order = access.order.every(({ descending }) => descending)
    ? ascending(access.order.map(({ column }) => column))
    : access.order;
  const heads = [ascending(equal), ...[...access.join].map((column) => ascending([column, ...equal]))];
  const tails = [[], order, ...[...access.range].map((column) => ascending([column])), ascending(access.group)];
  const keys = [
    ...heads.flatMap((head) => tails.map((tail) => [...head, ...tail])),
    ...(order.length > 0 ? [[...order, ...ascending(access.range)]] : []),
  ].map(once);
  const predicates = [undefined, ...access.predicates];
  if (access.predicates.size > 1) predicates.push([...access.predicates].sort().join(" and "));

  const btrees = keys.flatMap((key) => {
    if (key.length === 0 || key.length > mostKeyColumns) return [];
    const rest = [...(named ?? [])].filter((column) => !key.some((each) => each.column === column)).sort();
    const covers = named && rest.length > 0 && rest.length <= mostIncluded;
    return predicates.flatMap((predicate): Candidate[] => {
      // A column that the predicate holds to one value orders nothing.
      const useful = key.filter(({ column }) => !predicate?.startsWith(`${pg.escapeIdentifier(column)} = `));
      if (useful.length === 0) return [];
      const plain = { table, method: "btree" as const, key: useful, include: [], predicate };
      return covers ? [plain, { ...plain, include: rest }] : [plain];
    });
  });
  const brins = table.columns
    .filter(({ name, correlation }) => access.range.has(name) && Math.abs(correlation) >= leastCorrelation)
    .filter(() => table.bytes >= leastBrinBytes)
    .map(({ name }): Candidate => {
      return { table, method: "brin", key: ascending([name]), include: [], predicate: undefined };
    });
  return [...btrees, ...brins];
}

function once(key: Candidate["key"]): Candidate["key"] {
  return key.filter(({ column }, at) => key.findIndex((each) => each.column === column) === at);
}

/** What comes after `create index … on`: the table, and the index on it. */
export function definition({ table, method, key, include, predicate }: Candidate): string {
  const name = table.schema === "public" ? plain(table.relname) : table.name;
  const columns = key.map(({ column, descending }) => `${plain(column)}${descending ? " desc" : ""}`).join(", ");
  const how = method === "btree" ? "" : ` using ${method}`;
  const included = include.length > 0 ? ` include (${include.map(plain).join(", ")})` : "";
  return `${name}${how} (${columns})${included}${predicate ? ` where ${unquoted(predicate)}` : ""}`;
}

/** A name without the quotes that it does not need. */
function plain(name: string): string {
  // Each expression is the call of a function, which needs no parentheses of its own.
  return name.startsWith("(") ? name.slice(1, -1) : unquoted(pg.escapeIdentifier(name));
}

// Words that PostgreSQL reserves keep their quotes, as do names with anything but lower case.
const reserved =
  /^(all|analy[sz]e|and|any|array|as|asc|asymmetric|both|case|cast|check|collate|column|constraint|create|current_\w+|default|deferrable|desc|distinct|do|else|end|except|false|fetch|for|foreign|from|grant|group|having|in|initially|intersect|into|lateral|leading|limit|localtime|localtimestamp|not|null|offset|on|only|or|order|placing|primary|references|returning|select|session_user|some|symmetric|table|then|to|trailing|true|union|unique|user|using|variadic|when|where|window|with)$/;
const unquoted = (text: string) =>
  text.replace(/"([a-z_][a-z0-9_]*)"/g, (quoted, name) => (reserved.test(name) ? quoted : name));

/** Whether the table has an index that serves for it: the same, or one that begins so. */
function exists({ table, method, key, include, predicate }: Candidate): boolean {
  const wanted = key.map(({ column, descending }) => `${plain(column)}${descending ? " DESC" : ""}`).join(", ");
  return table.indexes.some(({ definition: existing }) => {
    const at = existing.indexOf(`USING ${method} (`);
    if (at < 0 || include.length > 0 || predicate || / WHERE | INCLUDE /.test(existing)) return false;
    const columns = existing.slice(at + method.length + 8, existing.lastIndexOf(")"));
    return columns === wanted || columns.startsWith(`${wanted}, `);
  });
}
