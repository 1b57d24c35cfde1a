import type { LockMode } from "../locks/modes.ts";
import type { Hazard } from "./weigh.ts";

/** A lock that a statement took on the copy of the schema, and whom it stops. */
export interface AssessedLock {
  relation: string;
  mode: LockMode;
  /** How many of the relation's partitions it locked the same way. */
  partitions: number;
  blocks: { reads: boolean; writes: boolean };
}

/** One statement of a pending migration. */
export interface AssessedStatement {
  sql: string;
  /** null without evidence: the locks are not known, which is not the same as none. */
  locks: AssessedLock[] | null;
  rewritten: string[] | null;
  scanned: string[] | null;
  indexesBuilt: { index: string; table: string }[] | null;
}

/** What a migration touches, by the catalog's estimates. */
export interface Touched {
  relation: string;
  /** null: nobody has counted yet. */
  rows: number | null;
  /** With indexes. */
  bytes: number;
}

export interface AssessedMigration {
  name: string;
  file: string;
  transactional: boolean;
  /** Whether it has a `down`. */
  reversible: boolean;
  statements: AssessedStatement[];
  hazards: Hazard[];
  /** The biggest first; empty also where no database could be asked. */
  touches: Touched[];
  /** What else a reader should know, a sentence each. */
  notes: string[];
}

export interface Assessment {
  migrations: AssessedMigration[];
  /** Whether sizes are those of a live database. */
  sizesKnown: boolean;
  evidence: {
    /** "live": the copy's schema is the live one. "folder": it is what the folder makes. "none": nothing was run. */
    of: "live" | "folder" | "none";
    /** Version of the server that ran the statements. */
    version: string | null;
  };
  /** What limits all of this, such as a tool that does not run here, a sentence each. */
  remarks: string[];
}

/** Whether a hazard stops `up`. */
export function isBlocking({ severity, accepted }: Hazard): boolean {
  return severity === "blocks" && accepted === null;
}

/** The hazards of an assessment that stop `up`. */
export function blockingHazards({ migrations }: Assessment): Hazard[] {
  return migrations.flatMap(({ hazards }) => hazards.filter(isBlocking));
}
