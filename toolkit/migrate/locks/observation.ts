import { read } from "../hazards/reading.ts";
import type { LockMode } from "./modes.ts";
import { isIndex, type Relation } from "./relations.ts";

/** One lock that a statement really took. */
export interface Lock {
  relation: string;
  mode: LockMode;
  /** How many partitions of the relation it locked the same way. */
  partitions: number;
}

/** What a statement really did to relations that were there before the run. */
export interface Observation {
  /** The strongest new lock on each relation, in the order of their names. */
  locks: Lock[];
  /** Tables that were written anew, row by row. */
  rewritten: string[];
  /** Tables that were read from end to end to check a constraint. */
  scanned: string[];
  /** Indexes that were built, or built again. */
  indexesBuilt: { index: string; table: string }[];
}

/** The strongest lock on each relation, by OID. */
export type Held = Map<number, LockMode>;

/** What was read before and after a statement. */
export interface Change {
  from: Map<number, Relation>;
  to: Map<number, Relation>;
  earlier: Held;
  held: Held;
  messages: string[];
  /** The statement. */
  text: string;
}

/** TRUNCATE gives a table and its indexes new files too, but writes no row. */
function truncates(statement: string): boolean {
  return /^truncate\b/i.test(read(statement).code);
}

/**
 * Says what a statement did.
 * @param before the relations as they were before the run: what is new cannot block anybody
 */
export function describeChange(before: Map<number, Relation>, change: Change): Observation {
  const { from, to, earlier, held, messages } = change;
  const known = [...before.values()];
  const isNewlyHeld = ({ oid }: Relation) => held.has(oid) && held.get(oid) !== earlier.get(oid);
  const changedFile = known.filter(({ oid, kind }) => {
    const [was, is] = [from.get(oid)?.file, to.get(oid)?.file];
    return !truncates(change.text) && was !== undefined && is !== undefined && was !== is && kind !== "S";
  });
  const built = [...to.values()].filter(
    (index) => isIndex(index) && before.has(index.table ?? 0) && !from.has(index.oid),
  );
  const tableOf = (index: Relation) => topName(before.get(index.table ?? 0) ?? index, before);
  return {
    locks: lockList(known.filter(isNewlyHeld), held, before),
    rewritten: names(changedFile.filter((one) => !isIndex(one)).map((one) => topName(one, before))),
    scanned: names(messages.flatMap((message) => scannedTables(message, before))),
    indexesBuilt: [...changedFile.filter(isIndex), ...built]
      .map((index) => ({ index: index.name, table: tableOf(index) }))
      .sort((one, other) => (one.index < other.index ? -1 : 1)),
  };
}

/** Locks on tables and views; those on partitions are counted with their partitioned table where it has the same. */
function lockList(relations: Relation[], held: Held, before: Map<number, Relation>): Lock[] {
  const locks = new Map<string, Lock>();
  const isCounted = ({ kind }: Relation) => ["r", "p", "m", "v", "f"].includes(kind);
  const isExclusive = (oid: number) => held.get(oid) === "access exclusive";
  // An index that nobody may look at stops every query of its table, which looks at all of them to plan.
  const isStrong = (relation: Relation) =>
    isIndex(relation) && isExclusive(relation.oid) && !isExclusive(relation.table ?? 0);
  for (const relation of relations.filter((one) => isCounted(one) || isStrong(one))) {
    const mode = held.get(relation.oid)!;
    const root = relation.root === relation.oid ? undefined : before.get(relation.root ?? 0);
    const folded = root && held.get(root.oid) === mode ? root.name : undefined;
    const name = folded ?? relation.name;
    const { partitions } = locks.get(name) ?? { partitions: 0 };
    locks.set(name, { relation: name, mode, partitions: partitions + (folded ? 1 : 0) });
  }
  return [...locks.values()].sort((one, other) => (one.relation < other.relation ? -1 : 1));
}

// Messages of PostgreSQL 15 to 18 at level DEBUG1, for a constraint that the rows are checked against:
// https://github.com/postgres/postgres/blob/REL_17_STABLE/src/backend/commands/tablecmds.c
const scanMessage = /^verifying table "(.*)"$/;

function scannedTables(message: string, before: Map<number, Relation>): string[] {
  const name = scanMessage.exec(message)?.[1];
  const table = name === undefined ? undefined : [...before.values()].find(({ bareName }) => bareName === name);
  return table ? [topName(table, before)] : [];
}

/** The name of a relation's partitioned table at the top; its own where it is no partition. */
function topName(relation: Relation, before: Map<number, Relation>): string {
  return (before.get(relation.root ?? 0) ?? relation).name;
}

export function names(all: readonly string[]): string[] {
  return [...new Set(all)].sort();
}
