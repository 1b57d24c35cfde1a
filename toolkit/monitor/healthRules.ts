import { count } from "../terminal.ts";
import { tableBloat } from "./bloat.ts";
import { deadTuples, isBloatedByDead, isStale } from "./deadTuples.ts";
import type { IndexFamily } from "./indexFamilies.ts";
import { limitsOf } from "./question.ts";
import { type Family, refusesAutovacuum, total } from "./tables.ts";
import { percent, share, things } from "./texts.ts";
import type { Widths } from "./widths.ts";

/** The limits that the rules compare with. */
export type HealthLimits = Record<"bloatPercent" | "bloatPages" | "scannedRows" | "age", number>;

/** What a rule looks at: the table's own figures, its indexes, and what is known of its columns. */
export interface Subject extends Family {
  indexes: IndexFamily[];
  duplicates: number;
  bareKeys: number;
  widths: Map<number, Widths>;
  pageBytes: number;
}

/** A fault that a table may have. */
export interface HealthRule {
  reason: string;
  /** The points that it costs at most. */
  points: number;
  /** How bad it is, from 0 to 1, and how it is said; nothing where it is well. */
  look: (subject: Subject, limits: HealthLimits) => { badness: number; what: string } | undefined;
  fix: (name: string) => string;
}

// The same limits as the question of its own has, so that a score and a finding do not contradict each other.
export const rowLimits = limitsOf(deadTuples.thresholds);
const part = (value: number) => Math.min(1, Math.max(0, value));

// Points by what it costs to wait: what stops writes, then what slows every query, then what wastes room.
export const healthRules: HealthRule[] = [
  {
    reason: "old transaction ids",
    points: 40,
    look({ members }, limits) {
      const age = Math.max(0, ...members.map((t) => Math.max(t.transactionAge, t.multixactAge)));
      const what = `its oldest transaction id is ${count(age)} old`;
      return age < limits.age ? undefined : { badness: part(age / (2 * limits.age)), what };
    },
    fix: (name) => `vacuum (freeze) ${name};`,
  },
  {
    reason: "dead rows",
    points: 25,
    look(subject) {
      const bad = subject.members.filter((t) => isBloatedByDead(t, rowLimits));
      const [dead, live] = [total(subject, (t) => t.deadRows), total(subject, (t) => t.liveRows)];
      const what = `${percent(share(dead, dead + live))} of its rows are dead`;
      return bad.length === 0 ? undefined : { badness: part(share(dead, dead + live) / 50), what };
    },
    fix: (name) => `vacuum (analyze) ${name};`,
  },
  {
    reason: "old statistics",
    points: 20,
    look({ members }) {
      const bad = members.filter((t) => isStale(t, rowLimits));
      const what = `the statistics of ${things(bad.length, "table")} are old`;
      return bad.length === 0 ? undefined : { badness: 0.5 + 0.5 * (bad.length / members.length), what };
    },
    fix: (name) => `analyze ${name};`,
  },
  {
    reason: "autovacuum off",
    points: 20,
    look({ table, members }) {
      const bad = [table, ...members].some(refusesAutovacuum);
      return bad ? { badness: 1, what: "autovacuum leaves it out" } : undefined;
    },
    fix: (name) => `alter table ${name} reset (autovacuum_enabled);`,
  },
  {
    reason: "invalid index",
    points: 20,
    look({ indexes }) {
      const bad = indexes.filter(({ invalid }) => invalid.length > 0);
      return bad.length === 0
        ? undefined
        : { badness: 1, what: `${things(bad.length, "index is", "indexes are")} invalid` };
    },
    fix: () => "reindex index concurrently, see toolkit check index-usage.",
  },
  {
    reason: "foreign key without index",
    points: 15,
    look({ bareKeys: bare }) {
      const what = `${things(bare, "foreign key has", "foreign keys have")} no index`;
      return bare === 0 ? undefined : { badness: part(0.5 + bare / 4), what };
    },
    fix: () => "create index concurrently, see toolkit check index-usage.",
  },
  {
    reason: "bloat",
    points: 15,
    look({ members, widths, pageBytes }, limits) {
      const known = members.filter((t) => widths.get(t.oid)?.unknown === 0);
      const wasted = known.reduce((sum, t) => sum + tableBloat(t, widths.get(t.oid)!, pageBytes), 0);
      const bloated = share(
        wasted,
        known.reduce((sum, t) => sum + t.pages, 0),
      );
      if (wasted < limits.bloatPages || bloated < limits.bloatPercent) return undefined;
      return { badness: part(bloated / 80), what: `about ${percent(bloated)} of its space is empty` };
    },
    fix: (name) => `vacuum (full, analyze) ${name}; in a quiet hour, or pg_repack.`,
  },
  {
    reason: "large sequential scans",
    points: 10,
    look(subject, limits) {
      const scans = total(subject, (t) => t.sequentialScans);
      const rows = scans > 0 ? total(subject, (t) => t.sequentialRows) / scans : 0;
      const what = `${things(scans, "scan")} read ${count(rows)} rows each`;
      // A few are a report's, an index build's or a dump's.
      return scans < 100 || rows < limits.scannedRows ? undefined : { badness: 1, what };
    },
    fix: () => "Find the statement by toolkit check slow-queries, and give it an index.",
  },
  {
    reason: "superfluous index",
    points: 5,
    look({ duplicates: twice }) {
      const what = `${things(twice, "index repeats", "indexes repeat")} another one`;
      return twice === 0 ? undefined : { badness: 1, what };
    },
    fix: () => "drop index concurrently, see toolkit check index-usage.",
  },
];
