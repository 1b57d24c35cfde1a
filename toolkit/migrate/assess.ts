import type pg from "pg";
import { messageOf } from "../errors.ts";
import type { MigrationFile } from "./files.ts";
import type { AssessedMigration, AssessedStatement, Assessment, Touched } from "./hazards/assessment.ts";
import { findHazards } from "./hazards/find.ts";
import { followNames } from "./hazards/names.ts";
import { type Part, partsOf } from "./hazards/parts.ts";
import { canonical } from "./hazards/reading.ts";
import { readSizes, type Size } from "./hazards/sizes.ts";
import { lint, type SquawkFinding } from "./hazards/squawk.ts";
import { type Hazard, type UnknownSize, weigh } from "./hazards/weigh.ts";
import { type Evidence, gatherEvidence } from "./locks/evidence.ts";
import { blockedBy } from "./locks/modes.ts";
import type { Observation } from "./locks/observation.ts";
import type { Situation } from "./plan.ts";
import { type Rendered, render, shorthandsUpTo } from "./render.ts";

export {
  type AssessedLock,
  type AssessedMigration,
  type AssessedStatement,
  type Assessment,
  blockingHazards,
  type Touched,
} from "./hazards/assessment.ts";
export type { Hazard } from "./hazards/weigh.ts";

/** What is known of the live database. */
export interface Live {
  /** A session in it, which is only read with; sizes are not known without. */
  client?: pg.ClientBase;
  situation?: Situation;
}

export interface AssessOptions {
  /** How hazards weigh without sizes: they block when left out. */
  unknownSize?: UnknownSize;
  /** Names of the applied migrations, where there is no situation that tells. */
  applied?: readonly string[];
  /** false: start no scratch server, and find no locks. */
  locks?: boolean;
}

// The version whose syntax is checked where no server tells its own: the one that is embedded.
const usualMajor = 17;
// Each migration has a process of its own; a machine has no use for hundreds at a time.
const lintersAtOnce = 8;

/**
 * Says of pending migrations, before anything is touched, what they will do: their SQL, their hazards, the locks that
 * they took on an empty copy of the schema, and how much they touch.
 * @param files the whole folder
 * @throws Error when a migration cannot be rendered: see statementProblems, to be asked before
 */
export async function assess(
  live: Live,
  files: readonly MigrationFile[],
  pending: readonly MigrationFile[],
  options: AssessOptions = {},
): Promise<Assessment> {
  const { situation, client } = live;
  const applied = situation?.applied ?? options.applied ?? [];
  const evidence =
    options.locks === false || pending.length === 0
      ? undefined
      : await gatherEvidence(files, applied, pending, situation);
  const major = situation?.major ?? usualMajor;
  const prepared: Prepared[] = [];
  for (let at = 0; at < pending.length; at += lintersAtOnce) {
    const some = pending.slice(at, at + lintersAtOnce);
    prepared.push(...(await Promise.all(some.map((migration) => prepare(files, migration, major)))));
  }
  const seen = typeof evidence === "object" ? evidence : undefined;
  const observationsOf = (name: string) => seen?.observations.get(name) ?? [];
  const mentioned = prepared.flatMap(({ parts, migration }) => [
    ...parts.flatMap(({ reading: { relations, sources } }) => [...relations, ...sources]),
    ...observationsOf(migration.name).flatMap(({ locks, indexesBuilt }) => [
      ...locks.map(({ relation }) => relation),
      ...indexesBuilt.map(({ table }) => table),
    ]),
  ]);
  const sizes = client ? await readSizes(client, [...new Set(mentioned)]) : new Map<string, Size>();
  const names = followNames();
  const sizesKnown = client !== undefined;
  const migrations = prepared.map(({ migration, rendered, findings, parts }, at): AssessedMigration => {
    const observations = observationsOf(migration.name);
    // Evidence of another schema shows locks, but proves nothing about this one.
    const trusted = seen && seen.sameSchema !== false ? observations : [];
    const author = {
      name: migration.name,
      file: migration.file,
      accepts: migration.actions.accepts ?? {},
      before: prepared[at - 1]?.migration.name,
    };
    const origins = originsOf(parts, observations, names);
    const hazards = findHazards({
      parts,
      transactional: rendered.transactional,
      lint: findings,
      sizes,
      sizesKnown,
      names,
      observations: trusted,
    }).map((finding) => weigh(finding, author, options.unknownSize ?? "blocks"));
    return {
      name: migration.name,
      file: migration.file,
      transactional: rendered.transactional,
      reversible: migration.actions.down !== false,
      statements: rendered.statements.map(({ text }, index) => assessedStatement(text, observations[index])),
      hazards,
      touches: touched(origins, sizes),
      notes: [...unusedAcceptances(author.accepts, hazards), ...failureNote(migration.name, seen)],
    };
  });
  const described = describeEvidence(evidence);
  const notLinted = prepared.flatMap(({ notLinted }) => notLinted ?? []);
  return { migrations, sizesKnown, ...described, remarks: [...described.remarks, ...new Set(notLinted)] };
}

/** A migration with everything that is known of it without a database. */
interface Prepared {
  migration: MigrationFile;
  rendered: Rendered;
  parts: Part[];
  findings: SquawkFinding[];
  /** Why the linter has found nothing, a whole sentence. */
  notLinted?: string;
}

async function prepare(files: readonly MigrationFile[], migration: MigrationFile, major: number): Promise<Prepared> {
  const rendered = await render(migration, "up", shorthandsUpTo(files, migration.name));
  const parts = await partsOf(rendered.statements);
  try {
    return { migration, rendered, parts, findings: await lint(parts, rendered.transactional, major) };
  } catch (error) {
    // A linter that does not run here must not stop a deployment; our own rules and the evidence remain.
    const notLinted = `Squawk did not look at the SQL: ${messageOf(error).split("\n")[0]}`;
    return { migration, rendered, parts, findings: [], notLinted };
  }
}

function assessedStatement(text: string, seen: Observation | undefined): AssessedStatement {
  // node-pg-migrate's mark between the two parts of a file belongs to neither.
  const sql = text.replace(/^-- *up migration.*\n\s*/i, "");
  if (!seen) return { sql, locks: null, rewritten: null, scanned: null, indexesBuilt: null };
  const { rewritten, scanned, indexesBuilt } = seen;
  return {
    sql,
    locks: seen.locks.map((lock) => ({ ...lock, blocks: blockedBy(lock.mode) })),
    rewritten,
    scanned,
    indexesBuilt,
  };
}

function originsOf(
  parts: readonly Part[],
  observations: readonly Observation[],
  names: { origin(name: string): string | undefined },
): Set<string> {
  const named = parts.flatMap(({ reading: { relations, sources } }) => [...relations, ...sources]);
  const locked = observations.flatMap(({ locks }) => locks.map(({ relation }) => relation));
  return new Set([...named.flatMap((name) => names.origin(name) ?? []), ...locked.map(canonical)]);
}

/** An index counts as its table, so that two names may stand for the same relation. */
function touched(names: ReadonlySet<string>, sizes: ReadonlyMap<string, Size>): Touched[] {
  const byTable = new Map<string, Touched>();
  for (const name of names) {
    const size = sizes.get(name);
    if (size) byTable.set(size.relation, { relation: size.relation, rows: size.rows, bytes: size.bytes });
  }
  return [...byTable.values()].sort((one, other) => other.bytes - one.bytes);
}

function unusedAcceptances(accepts: Readonly<Record<string, string>>, hazards: readonly Hazard[]): string[] {
  const found = new Set(hazards.map(({ rule }) => rule));
  return Object.keys(accepts)
    .filter((rule) => !found.has(rule))
    .map((rule) => `It accepts ${rule}, which is not found in it.`);
}

function failureNote(name: string, evidence: Evidence | undefined): string[] {
  return evidence?.failure?.migration === name
    ? [`It fails on an empty copy of the schema: ${evidence.failure.reason}`]
    : [];
}

function describeEvidence(evidence: Evidence | string | undefined): Pick<Assessment, "evidence" | "remarks"> {
  if (evidence === undefined) return { evidence: { of: "none", version: null }, remarks: [] };
  if (typeof evidence === "string")
    return { evidence: { of: "none", version: null }, remarks: [`There is no evidence of locks: ${evidence}`] };
  const { sameSchema, version } = evidence;
  if (sameSchema) return { evidence: { of: "live", version }, remarks: [] };
  const why = sameSchema === false ? "the live one is another" : "no database was asked";
  return {
    evidence: { of: "folder", version },
    remarks: [`The locks are those of the schema that the folder makes: ${why}.`],
  };
}
