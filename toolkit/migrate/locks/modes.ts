/** PostgreSQL's table-level locks, weakest first. */
export const lockModes = [
  "access share",
  "row share",
  "row exclusive",
  "share update exclusive",
  "share",
  "share row exclusive",
  "exclusive",
  "access exclusive",
] as const;

export type LockMode = (typeof lockModes)[number];

/**
 * Which lock stops which: PostgreSQL's own table.
 * @see https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
 */
const conflicts: Record<LockMode, readonly LockMode[]> = {
  "access share": ["access exclusive"],
  "row share": ["exclusive", "access exclusive"],
  "row exclusive": ["share", "share row exclusive", "exclusive", "access exclusive"],
  "share update exclusive": ["share update exclusive", "share", "share row exclusive", "exclusive", "access exclusive"],
  share: ["row exclusive", "share update exclusive", "share row exclusive", "exclusive", "access exclusive"],
  "share row exclusive": [
    "row exclusive",
    "share update exclusive",
    "share",
    "share row exclusive",
    "exclusive",
    "access exclusive",
  ],
  exclusive: lockModes.slice(1),
  "access exclusive": lockModes,
};

/** Who has to wait for a lock. */
export interface Blocks {
  /** SELECT, which takes access share. */
  reads: boolean;
  /** INSERT, UPDATE, DELETE and MERGE, which take row exclusive. */
  writes: boolean;
}

/** What a lock on a table keeps from running. */
export function blockedBy(mode: LockMode): Blocks {
  return { reads: conflicts[mode].includes("access share"), writes: conflicts[mode].includes("row exclusive") };
}

/** "blocks reads and writes", for a message. */
export function describeBlocks({ reads, writes }: Blocks): string {
  if (reads) return "blocks reads and writes";
  return writes ? "blocks writes" : "blocks neither reads nor writes";
}

/** A mode as pg_locks spells it ("ShareUpdateExclusiveLock"), in the manual's words. */
export function modeOf(name: string): LockMode | undefined {
  const words = name.replace(/Lock$/, "").replace(/(?<=[a-z])(?=[A-Z])/g, " ");
  return lockModes.find((mode) => mode === words.toLowerCase());
}

/** The stronger of two, in the order in which PostgreSQL lists them. */
export function stronger(one: LockMode, other: LockMode): LockMode {
  return lockModes.indexOf(one) >= lockModes.indexOf(other) ? one : other;
}
