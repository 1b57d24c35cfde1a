import { blockedBy, type LockMode, stronger } from "../locks/modes.ts";
import type { Observation } from "../locks/observation.ts";
import type { Reading } from "./reading.ts";
import type { Size } from "./sizes.ts";

/** A statement that matches a rule, before its size is weighed. */
export interface Match {
  rule: string;
  /** The relation in question, as the statement names it; undefined where it cannot be told. */
  table: string | undefined;
  clause: string;
}

interface Test {
  rule: string;
  /** The relation in question, where the rule matches. */
  table(reading: Reading, size: (name: string) => Size | undefined, transactional: boolean): string | undefined;
}

const concurrently =
  /^(?:create (?:unique )?index|drop index|reindex .*|alter table .* detach partition .*) concurrently\b/i;

/** What squawk has no rule for, by the text of a statement and the catalog. */
const tests: Test[] = [
  {
    rule: "update-without-where",
    table: ({ code, relations }) => (/^update\b/i.test(code) && !/\bwhere\b/i.test(code) ? relations[0] : undefined),
  },
  {
    rule: "delete-without-where",
    table: ({ code, relations }) => (/^delete\b/i.test(code) && !/\bwhere\b/i.test(code) ? relations[0] : undefined),
  },
  {
    rule: "refresh-materialized-view",
    table: ({ code, relations }) =>
      /^refresh materialized view (?!concurrently)/i.test(code) && !/\bwith no data$/i.test(code)
        ? relations[0]
        : undefined,
  },
  {
    rule: "copies-whole-table",
    // With a condition it is a part of the table, and how big a part nobody can say here.
    table: ({ code, sources }, size, transactional) =>
      transactional && !/\b(where|limit)\b/i.test(code) && !/\bwith no data$/i.test(code)
        ? sources.toSorted((one, other) => (size(other)?.bytes ?? 0) - (size(one)?.bytes ?? 0))[0]
        : undefined,
  },
  {
    rule: "concurrently-in-transaction",
    table: ({ code, relations }, _size, transactional) =>
      transactional && concurrently.test(code) ? relations[0] : undefined,
  },
  {
    rule: "detach-concurrently-with-default-partition",
    table: ({ code, relations }, size) =>
      /\bdetach partition \S+ concurrently/i.test(code) && size(relations[0] ?? "")?.hasDefaultPartition
        ? relations[0]
        : undefined,
  },
];

/** The matches of our own rules in one statement. */
export function ownMatches(
  reading: Reading,
  size: (name: string) => Size | undefined,
  transactional: boolean,
): Match[] {
  return tests.flatMap(({ rule, table }) => {
    const found = table(reading, size, transactional);
    return found === undefined ? [] : [{ rule, table: found, clause: reading.code }];
  });
}

/**
 * What a statement was seen to do on the copy of the schema, under a lock that blocks writes.
 * @param held the strongest lock on each relation that the migration has by then
 */
export function observedMatches(observation: Observation, held: ReadonlyMap<string, LockMode>): Match[] {
  const underLock = (table: string) => blockedBy(held.get(table) ?? "access share").writes;
  const all: [string, readonly string[]][] = [
    ["rewrites-table", observation.rewritten],
    ["builds-index", observation.indexesBuilt.map(({ table }) => table)],
    ["scans-table", observation.scanned],
  ];
  const seen = new Set<string>();
  return all.flatMap(([rule, tables]) =>
    // A table that is written anew is read and indexed as well: once is enough.
    tables
      .filter((table) => underLock(table) && !seen.has(table) && seen.add(table))
      .map((table) => ({ rule, table, clause: "" })),
  );
}

/** The strongest lock on each relation after some observations, which are in the order of their statements. */
export function heldAfter(observations: readonly Observation[]): Map<string, LockMode> {
  const held = new Map<string, LockMode>();
  for (const { locks } of observations)
    for (const { relation, mode } of locks) held.set(relation, stronger(mode, held.get(relation) ?? mode));
  return held;
}
