import { bareKeys } from "./foreignKeys.ts";
import { type HealthLimits, healthRules, rowLimits, type Subject } from "./healthRules.ts";
import { duplicates, indexFamilies } from "./indexFamilies.ts";
import { type Finding, question } from "./question.ts";
import { docs, estimates } from "./sources.ts";
import { families } from "./tables.ts";

/** What a table's score was lowered by, and what to do about it. */
export interface Deduction {
  reason: string;
  points: number;
  what: string;
  fix: string;
}

/** The health of a table with all its partitions. */
export interface TableHealth {
  object: string;
  /** 100 is a table without a fault, 0 the worst. */
  score: number;
  deductions: Deduction[];
}

type Names = keyof HealthLimits | "score" | "poorScore";
type Limits = Record<Names, number>;

/** The health of each table, from 0 to 100, with what lowered it, the worst first. */
export const tableHealth = question<TableHealth, Names>({
  name: "table-health",
  title: "How healthy is each table?",
  thresholds: {
    score: {
      value: 80,
      unit: "points",
      why: "Below it one serious fault, or several small ones, has been there for a while.",
      source: `${docs}/routine-vacuuming.html`,
    },
    poorScore: {
      value: 50,
      unit: "points",
      why: "Half of the points are lost only where several serious faults come together.",
      source: `${docs}/routine-vacuuming.html`,
    },
    bloatPercent: {
      value: 40,
      unit: "%",
      why: "As the question bloat: estimates are off by up to some 20 %.",
      source: estimates,
    },
    bloatPages: {
      value: 1280,
      unit: "pages",
      why: "Less than 10 MB of empty pages is not worth a word.",
      source: `${docs}/storage-page-layout.html`,
    },
    scannedRows: {
      value: 10_000,
      unit: "rows a scan",
      why: "A scan of fewer rows is as fast as an index.",
      source: `${docs}/indexes-examine.html`,
    },
    age: {
      value: 500_000_000,
      unit: "transactions",
      why: "As the question wraparound: autovacuum has not come since 200 million.",
      source: `${docs}/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND`,
    },
  },
  async ask(database, limits) {
    const tables = await database.tables();
    const all = await indexFamilies(database);
    const twins = [...duplicates(all).keys()];
    const bare = await bareKeys(database, rowLimits.changedRows);
    const widths = await database.widths();
    const indexesOf = Map.groupBy(all, ({ table }) => table.oid);
    const rows = families(tables).map((family) =>
      scoreOf(
        {
          ...family,
          indexes: indexesOf.get(family.table.oid) ?? [],
          duplicates: twins.filter(({ table }) => table.oid === family.table.oid).length,
          bareKeys: bare.filter(({ table }) => table === family.table.oid).length,
          ...{ widths, pageBytes: database.server.pageBytes },
        },
        limits,
      ),
    );
    rows.sort((one, other) => one.score - other.score);
    const poor = rows.filter(({ score, deductions }) => deductions.length > 0 && score < limits.score);
    return { rows, findings: poor.map((row) => findingOf(row, limits)) };
  },
});

function scoreOf(subject: Subject, limits: Limits): TableHealth {
  const { name } = subject.table;
  const deductions = healthRules.flatMap(({ reason, points, look, fix }) => {
    const seen = look(subject, limits);
    return seen ? [{ reason, points: Math.round(points * seen.badness), what: seen.what, fix: fix(name) }] : [];
  });
  deductions.sort((one, other) => other.points - one.points);
  const lost = deductions.reduce((sum, { points }) => sum + points, 0);
  return { object: name, score: Math.max(0, 100 - lost), deductions };
}

function findingOf({ object, score, deductions }: TableHealth, limits: Limits): Finding {
  return {
    severity: score < limits.poorScore ? "warning" : "notice",
    object,
    what: `${object} has ${score} of 100 points: ${deductions.map(({ what, points }) => `${what} (-${points})`).join(", ")}.`,
    why: "The score adds up what slows its queries, wastes its space or endangers its writes.",
    fix: deductions[0]!.fix,
  };
}
