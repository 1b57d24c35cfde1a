import type { Observation } from "../locks/observation.ts";
import type { Rendered } from "../render.ts";
import type { Names } from "./names.ts";
import { heldAfter, type Match, observedMatches, ownMatches } from "./own.ts";
import type { Reading } from "./reading.ts";
import { leftOut, ruleOf, saidBetterBy } from "./rules.ts";
import type { Size } from "./sizes.ts";
import type { SquawkFinding } from "./squawk.ts";

/** A rule that matches a statement. */
export interface Finding extends Match {
  /** Position of the statement in its migration, from 0. */
  statement: number;
  /** Squawk's own words, where the rule is squawk's. */
  squawk: SquawkFinding | undefined;
  /** The size of the relation; undefined where it is new in this run, or not known. */
  size: Size | undefined;
  /** Whether the run itself made the relation: nobody uses it yet. */
  isNew: boolean;
}

/** What finding the hazards of one migration takes. */
export interface Material {
  rendered: Rendered;
  readings: readonly Reading[];
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
  const { rendered, readings, names, sizes, sizesKnown, observations } = material;
  return readings.flatMap((reading, statement) => {
    const sizeOf = (name: string) => sizes.get(names.origin(name) ?? "");
    const squawk = squawkMatches(material, statement);
    const guessed = [
      ...squawk,
      ...ownMatches(reading, sizeOf, rendered.transactional).map((own) => ({ ...own, squawk: undefined })),
    ];
    const observation = observations[statement];
    const kept = observation ? guessed.filter((match) => !isDisproved(match, observation)) : guessed;
    const covered = new Set(kept.filter(({ rule }) => ruleOf(rule).fears).map(({ table }) => table));
    const held = heldAfter(observations.slice(0, statement + 1));
    const observed = observation ? observedMatches(observation, held).filter(({ table }) => !covered.has(table)) : [];
    const found = [...kept, ...observed.map((match) => ({ ...match, squawk: undefined }))].map((match): Finding => {
      const origin = match.table === undefined ? undefined : names.origin(match.table);
      const size = sizes.get(origin ?? "");
      const isNew = match.table !== undefined && (origin === undefined || (sizesKnown && size === undefined));
      return { ...match, statement, size, isNew };
    });
    names.after(reading);
    return found;
  });
}

function squawkMatches({ lint, readings }: Material, statement: number): (Match & { squawk: SquawkFinding })[] {
  const here = lint.filter((finding) => finding.statement === statement && !Object.hasOwn(leftOut, finding.rule));
  return here
    .filter(
      ({ rule, clause }) =>
        !here.some((other) => saidBetterBy[rule]?.includes(other.rule) && clause.includes(other.clause)),
    )
    .map((squawk) => ({ rule: squawk.rule, table: readings[statement]!.relations[0], clause: squawk.clause, squawk }));
}

/** Whether a run on a copy of the schema has shown that nothing of what the rule fears happens. */
function isDisproved({ rule }: Match, { rewritten, scanned, indexesBuilt }: Observation): boolean {
  const { fears } = ruleOf(rule);
  const happened = { rewrite: rewritten.length > 0, scan: scanned.length > 0, index: indexesBuilt.length > 0 };
  return fears !== undefined && !fears.some((fear) => happened[fear]);
}
