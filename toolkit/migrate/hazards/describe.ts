import { describeBlocks, lockModes } from "../locks/modes.ts";
import {
  type AssessedLock,
  type AssessedMigration,
  type AssessedStatement,
  type Assessment,
  isBlocking,
} from "./assessment.ts";
import { megabytes } from "./sizes.ts";
import type { Hazard } from "./weigh.ts";

/** Whether a lock stops anybody who reads or writes. */
export function stopsAnybody({ blocks }: AssessedLock): boolean {
  return blocks.reads || blocks.writes;
}

/** "access exclusive on stocks and 12 partitions (blocks reads and writes)". */
export function describeLock({ relation, mode, partitions, blocks }: AssessedLock): string {
  const parts = partitions === 0 ? "" : ` and ${partitions} partition${partitions === 1 ? "" : "s"}`;
  return `${mode} on ${relation}${parts} (${describeBlocks(blocks)})`;
}

/** What a statement did to existing relations beside locking them, in words. */
export function describeWork({ rewritten, scanned, indexesBuilt }: AssessedStatement): string[] {
  return [
    ...(rewritten ?? []).map((table) => `writes ${table} anew`),
    ...(scanned ?? []).map((table) => `reads every row of ${table}`),
    ...(indexesBuilt ?? []).map(({ index, table }) => `builds the index ${index} on ${table}`),
  ];
}

/** The strongest lock of a migration on each relation, the strongest first; those that stop nobody are left out. */
export function lockSummary({ statements }: AssessedMigration): AssessedLock[] {
  const strongest = new Map<string, AssessedLock>();
  for (const lock of statements.flatMap(({ locks }) => locks ?? [])) {
    const known = strongest.get(lock.relation);
    if (stopsAnybody(lock) && (!known || rank(lock) > rank(known))) strongest.set(lock.relation, lock);
  }
  return [...strongest.values()].sort((one, other) => rank(other) - rank(one));
}

const rank = ({ mode }: AssessedLock) => lockModes.indexOf(mode);

// A line of a preview is read at a glance.
const shownLocks = 3;

/** One line for a pending migration: its name, the locks that stop somebody, and how much it touches. */
export function pendingLine(migration: AssessedMigration): string {
  const locks = lockSummary(migration);
  const bytes = migration.touches.reduce((sum, touched) => sum + touched.bytes, 0);
  const shown = locks.slice(0, shownLocks).map(describeLock);
  if (locks.length > shownLocks) shown.push(`${locks.length - shownLocks} more`);
  const size = migration.touches.length > 0 && bytes > 0 ? `, ${megabytes(bytes)}` : "";
  return `pending: ${migration.name}${shown.length > 0 ? `; locks: ${shown.join(", ")}${size}` : ""}`;
}

/** The lines that a preview prints of an assessment, beside those of what blocks. */
export function previewLines(assessment: Assessment): string[] {
  const { migrations, remarks } = assessment;
  const hasLocks = migrations.some((migration) => lockSummary(migration).length > 0);
  const notes = migrations.flatMap(({ name, hazards, notes }) => [
    ...hazards.filter((hazard) => !isBlocking(hazard)).map(noteOf),
    ...notes.map((note) => `${name}: ${note}`),
  ]);
  // What limits evidence of nothing need not be said.
  const limits = hasLocks || notes.length > 0 ? remarks : [];
  return [
    ...migrations.map(pendingLine),
    ...notes.map((note) => `note: ${note}`),
    ...limits.map((text) => `note: ${text}`),
  ];
}

/** A hazard that stops nobody, in one line, with the reason for which it was accepted. */
export function noteOf({ summary, accepted }: Hazard): string {
  return accepted === null ? summary : `${summary}; accepted: ${accepted}`;
}
