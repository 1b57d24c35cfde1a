import type { Observation } from "../locks/observation.ts";
import type { Names } from "./names.ts";
import { heldAfter, type Match, observedMatches, ownMatches } from "./own.ts";
import type { Part } from "./parts.ts";
import type { Reading } from "./reading.ts";
import { leftOut, ruleOf, saidBetterBy } from "./rules.ts";
import type { Size } from "./sizes.ts";
import type { SquawkFinding } from "./squawk.ts";

/** A rule that matches a statement. */
export interface Finding extends Match {
  /** Position of the statement in its migration, from 0. */
  statement: number;
  /** What the statement, or the part of it in question, is about. */
  reading: Reading;
  /** Squawk's own words, where the rule is squawk's. */
  squawk: SquawkFinding | undefined;
  /** The size of the relation; undefined where it is new in this run, or not known. */
  size: Size | undefined;
  /** Whether the run itself made the relation: nobody uses it yet. */
  isNew: boolean;
}

/** What finding the hazards of one migration takes. */
export interface Material {
  parts: readonly Part[];
  transactional: boolean;
  lint: readonly SquawkFinding[];
  /** By the name before the run. */
  sizes: ReadonlyMap<string, Size>;
  /** Whether `sizes` are those of a live database. */
  sizesKnown: boolean;
  names: Names;
  /** What the statements did on a copy of the live schema; one for each that ran. */
  observations: readonly Observation[];
}

/** Every rule that matches, statement by statement. Takes note of the names that the migration makes. */
export function findHazards(material: Material): Finding[] {
  const { parts, names, observations } = material;
  const covered = new Set<string | undefined>();
  return parts.flatMap((part, at) => {
    const { statement, reading } = part;
    const observation = observations[statement];
    const guessed = guessedMatches(material, at);
    const kept = observation ? guessed.filter((match) => !isDisproved(match, observation)) : guessed;
    if (!part.inBlock) covered.clear();
    for (const { rule, table } of kept) if (ruleOf(rule).fears) covered.add(table);
    const isLast = parts[at + 1]?.statement !== statement;
    const held = heldAfter(observations.slice(0, statement + 1));
    const observed = observation && isLast ? observedMatches(observation, held) : [];
    const shown = observed.filter(({ table }) => !covered.has(table)).map((match) => ({ ...match, squawk: undefined }));
    const found = [...kept, ...shown].map((match) => withSize({ ...match, statement, reading }, material));
    names.after(reading);
    return found;
  });
}

function withSize(found: Omit<Finding, "size" | "isNew">, { names, sizes, sizesKnown }: Material): Finding {
  const origin = found.table === undefined ? undefined : names.origin(found.table);
  const size = sizes.get(origin ?? "");
  const isNew = found.table !== undefined && (origin === undefined || (sizesKnown && size === undefined));
  return { ...found, size, isNew };
}

function guessedMatches(material: Material, at: number): (Match & { squawk: SquawkFinding | undefined })[] {
  const { parts, transactional, names, sizes } = material;
  const sizeOf = (name: string) => sizes.get(names.origin(name) ?? "");
  const own = ownMatches(parts[at]!.reading, sizeOf, transactional);
  return [...squawkMatches(material, at), ...own.map((match) => ({ ...match, squawk: undefined }))];
}

function squawkMatches({ lint, parts }: Material, at: number): (Match & { squawk: SquawkFinding })[] {
  const { inBlock, reading } = parts[at]!;
  const here = lint.filter(({ part, rule }) => part === at && !Object.hasOwn(leftOut, rule));
  return here
    .filter(
      ({ rule, clause }) =>
        // PL/pgSQL has an INTO that SQL does not know.
        !(inBlock && rule === "syntax-error") &&
        !here.some((other) => saidBetterBy[rule]?.includes(other.rule) && clause.includes(other.clause)),
    )
    .map((squawk) => ({ rule: squawk.rule, table: reading.relations[0], clause: squawk.clause, squawk }));
}

/** Whether a run on a copy of the schema has shown that nothing of what the rule fears happens. */
function isDisproved({ rule }: Match, { rewritten, scanned, indexesBuilt }: Observation): boolean {
  const { fears } = ruleOf(rule);
  const happened = { rewrite: rewritten.length > 0, scan: scanned.length > 0, index: indexesBuilt.length > 0 };
  return fears !== undefined && !fears.some((fear) => happened[fear]);
}
