import { createHash } from "node:crypto";
import { type MigrationFile, problem } from "./files.ts";
import { fingerprintOf } from "./fingerprint.ts";
import type { Journal } from "./journal.ts";

/** How the database and the folder differ from what the last run left. */
export interface Drift {
  edited: MigrationFile[];
  /** The lines of the schema now, when it was changed by hand. */
  lines: string[] | undefined;
  /** Names exactly this drift: what the user passes to accept it, and nothing else. */
  token: string;
}

// Enough to recognise a change; the whole of a large one helps nobody.
const shownLines = 10;
const shownWidth = 160;

/**
 * Compares with the journal.
 * @param lines the schema now
 * @param explained whether something else than a hand accounts for another schema
 */
export function findDrift(
  files: readonly MigrationFile[],
  journal: Journal,
  lines: string[],
  explained: boolean,
): Drift | undefined {
  const recorded = new Map(journal.rows.map(({ name, checksum }) => [name, checksum]));
  const edited = files.filter(({ name, checksum }) => recorded.has(name) && recorded.get(name) !== checksum);
  const byHand = !explained && journal.schema !== undefined && journal.schema.fingerprint !== fingerprintOf(lines);
  if (edited.length === 0 && !byHand) return undefined;
  const facts = [edited.map(({ name, checksum }) => [name, checksum]), byHand ? fingerprintOf(lines) : null];
  const token = createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 12);
  return { edited, lines: byHand ? lines : undefined, token };
}

/** What to tell of a drift: a text (what, why, fix) for the edited files and one for the schema. */
export function driftProblems(drift: Drift, journal: Journal, acceptDrift: string): string[] {
  const other = acceptDrift ? ` (the present value, ${acceptDrift}, accepts another one)` : "";
  const accept = `take it as the truth: npm run up -- -c database:acceptDrift=${drift.token}${other}`;
  const found: string[] = [];
  if (drift.edited.length > 0) {
    const one = drift.edited.length === 1;
    found.push(
      problem(
        `${one ? "a migration was" : `${drift.edited.length} migrations were`} edited after ${one ? "it was" : "they were"} applied: ` +
          drift.edited.map(({ file }) => file).join(", "),
        `This database has what ${one ? "it" : "they"} said before; the next one would get something else.`,
        `Restore the text and write the change as a new migration, or ${accept}`,
      ),
    );
  }
  if (drift.lines)
    found.push(
      problem(
        "the schema was changed by hand since the last run",
        ["It differs from what was recorded (-) by (+):", ...shownDifferences(journal.schema!.lines, drift.lines)].join(
          "\n    ",
        ),
        `Undo the change, or ${accept}`,
      ),
    );
  return found;
}

function shownDifferences(before: readonly string[], after: readonly string[]): string[] {
  const all = schemaDifferences(before, after).map((line) =>
    line.length > shownWidth ? `${line.slice(0, shownWidth - 1)}…` : line,
  );
  return all.length > shownLines ? [...all.slice(0, shownLines), `… and ${all.length - shownLines} more`] : all;
}

/**
 * The lines in which two schemas differ, "- " for the first and "+ " for the second, side by side for an object that is
 * in both. Of a definition of several lines only those that differ.
 */
export function schemaDifferences(before: readonly string[], after: readonly string[]): string[] {
  const [left, right] = [withoutThose(before, after), withoutThose(after, before)];
  const keys = [...new Set([...left.keys(), ...right.keys()])].sort();
  return keys.flatMap((key) => {
    const [was, is] = [left.get(key) ?? [], right.get(key) ?? []];
    return [...linesOf(key, was, is).map((line) => `- ${line}`), ...linesOf(key, is, was).map((line) => `+ ${line}`)];
  });
}

/** The entries that only the first has, by object. */
function withoutThose(lines: readonly string[], others: readonly string[]): Map<string, string[]> {
  const known = new Set(others);
  return Map.groupBy(
    lines.filter((line) => !known.has(line)),
    (line) => line.split(": ", 1)[0]!,
  );
}

function linesOf(key: string, own: readonly string[], other: readonly string[]): string[] {
  const others = new Set(other.flatMap((entry) => entry.split("\n")));
  return own.flatMap((entry) => {
    const [first, ...rest] = entry.split("\n");
    if (other.length === 0) return [rest.length > 0 ? `${first} …` : first!];
    const differing = rest.filter((line) => !others.has(line)).map((line) => `${key}: ${line.trim()}`);
    return others.has(first!) ? differing : [first!, ...differing];
  });
}
