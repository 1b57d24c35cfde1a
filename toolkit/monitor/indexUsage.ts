import { count } from "../terminal.ts";
import { bareKeyFindings } from "./foreignKeys.ts";
import type { Index } from "./indexes.ts";
import { duplicates, type IndexFamily, indexFamilies } from "./indexFamilies.ts";
import { type Finding, question } from "./question.ts";
import { docs } from "./sources.ts";
import { bytes } from "./texts.ts";

interface Row {
  object: string;
  table: string;
  scans: number;
  sizeBytes: number;
  hint: "" | "unused" | "duplicate" | "invalid";
}

/** Indexes that cost and do not serve, and foreign keys that lack one. Bloated ones: see the question bloat. */
export const indexUsage = question<Row, "unusedBytes" | "unusedDays" | "foreignKeyRows">({
  name: "index-usage",
  title: "Which indexes cost more than they bring, and which are missing?",
  thresholds: {
    unusedBytes: {
      value: 10 * 1024 ** 2,
      unit: "bytes",
      why: "A small index costs next to nothing.",
      source: `${docs}/indexes-examine.html`,
    },
    unusedDays: {
      value: 7,
      unit: "days",
      why: "Counters have to span a week, with its reports of Sunday night, before no scan means no use.",
      source: `${docs}/monitoring-stats.html#MONITORING-PG-STAT-ALL-INDEXES-VIEW`,
    },
    foreignKeyRows: {
      value: 10_000,
      unit: "rows",
      why: "A smaller table is scanned in a millisecond.",
      source: `${docs}/ddl-constraints.html#DDL-CONSTRAINTS-FK`,
    },
  },
  async ask(database, limits) {
    const all = await indexFamilies(database);
    const twins = duplicates(all);
    const { pageBytes, startedAt, statisticsSince } = database.server;
    const counted = (Date.now() - Date.parse(statisticsSince ?? startedAt)) / 86_400_000;
    // A replica counts its own scans, and not the primary's.
    const unused = all.filter(
      (f) =>
        counted >= limits.unusedDays && f.scans === 0 && !f.index.unique && !f.index.required && f.invalid.length === 0,
    );
    const findings: Finding[] = [
      ...all.filter((f) => f.invalid.length > 0).map(invalidFinding),
      ...[...twins].map(([family, by]) => duplicateFinding(family, by, pageBytes)),
      ...unused
        .filter((f) => f.pages * pageBytes >= limits.unusedBytes && !twins.has(f))
        .map((family) => unusedFinding(family, counted, pageBytes)),
      ...(await bareKeyFindings(database, limits.foreignKeyRows)),
    ];
    const hint = (f: IndexFamily) =>
      f.invalid.length > 0 ? "invalid" : twins.has(f) ? "duplicate" : unused.includes(f) ? "unused" : "";
    const rows = all.map((f) => ({
      object: f.index.name,
      table: f.table.name,
      scans: f.scans,
      sizeBytes: f.pages * pageBytes,
      hint: hint(f) as Row["hint"],
    }));
    return { rows: rows.sort((one, other) => other.sizeBytes - one.sizeBytes), findings };
  },
});

function invalidFinding({ invalid, table }: IndexFamily): Finding {
  const { name } = invalid[0]!;
  const more = invalid.length > 1 ? ` (and ${count(invalid.length - 1)} more of ${table.name})` : "";
  return {
    severity: "warning",
    object: name,
    what: `The index ${name}${more} is invalid, and nobody is building it.`,
    why: "Every write keeps it up to date, and no query uses it.",
    fix: `reindex index concurrently ${name}; or drop it.`,
    runbook: "failed-concurrent-index",
  };
}

function duplicateFinding({ index, pages }: IndexFamily, by: IndexFamily, pageBytes: number): Finding {
  return {
    severity: "notice",
    object: index.name,
    what: `The index ${index.name} (${bytes(pages * pageBytes)}) brings nothing that ${by.index.name} does not.`,
    why: "Every write keeps both up to date, and both take memory.",
    fix: `${drop(index)}`,
  };
}

function unusedFinding({ index, pages }: IndexFamily, days: number, pageBytes: number): Finding {
  return {
    severity: "notice",
    object: index.name,
    what: `The index ${index.name} (${bytes(pages * pageBytes)}) was not used once in ${count(Math.floor(days))} days.`,
    why: "Every write keeps it up to date, and it takes memory.",
    fix: `If no replica uses it either: ${drop(index)}`,
  };
}

/** An index of a partitioned table cannot be dropped concurrently; no partition says which it is, so its parent tells. */
const drop = (index: Index) =>
  index.pages === 0 ? `drop index ${index.name};` : `drop index concurrently ${index.name};`;
