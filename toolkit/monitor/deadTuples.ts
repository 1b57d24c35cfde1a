import { count } from "../terminal.ts";
import { type Finding, question } from "./question.ts";
import { docs } from "./sources.ts";
import { families, refusesAutovacuum, type Table, total } from "./tables.ts";
import { duration, percent, share } from "./texts.ts";

interface Row {
  object: string;
  liveRows: number;
  deadRows: number;
  deadPercent: number;
  sinceVacuumSeconds: number | null;
  sinceAnalyzeSeconds: number | null;
  changedSinceAnalyze: number;
}

type Names = "deadPercent" | "deadRows" | "changedPercent" | "changedRows";

/** Rows that nobody sees any more and that vacuum has not removed, and changes that analyze has not seen. */
export const deadTuples = question<Row, Names>({
  name: "dead-tuples",
  title: "Do vacuum and analyze keep up?",
  thresholds: {
    deadPercent: {
      value: 20,
      unit: "%",
      why: "Autovacuum comes at 20 % by default (autovacuum_vacuum_scale_factor): above, it does not keep up.",
      source: `${docs}/runtime-config-vacuum.html#GUC-AUTOVACUUM-VACUUM-SCALE-FACTOR`,
    },
    deadRows: {
      value: 10_000,
      unit: "rows",
      why: "A small table is vacuumed in no time: its share of dead rows says nothing.",
      source: `${docs}/routine-vacuuming.html#AUTOVACUUM`,
    },
    changedPercent: {
      value: 20,
      unit: "%",
      why: "Autovacuum analyzes at 10 % of changed rows by default: at twice that it does not come.",
      source: `${docs}/runtime-config-vacuum.html#GUC-AUTOVACUUM-ANALYZE-SCALE-FACTOR`,
    },
    changedRows: {
      value: 10_000,
      unit: "rows",
      why: "Plans on small tables hardly depend on statistics.",
      source: `${docs}/planner-stats.html`,
    },
  },
  async ask(database, limits) {
    const found = families(await database.tables());
    const rows = found.map((family) => {
      const [liveRows, deadRows] = [total(family, (t) => t.liveRows), total(family, (t) => t.deadRows)];
      return {
        object: family.table.name,
        ...{ liveRows, deadRows },
        deadPercent: share(deadRows, liveRows + deadRows),
        sinceVacuumSeconds: longest(family.members.map((t) => t.sinceVacuumSeconds)),
        sinceAnalyzeSeconds: longest(family.members.map((t) => t.sinceAnalyzeSeconds)),
        changedSinceAnalyze: total(family, (t) => t.changedSinceAnalyze),
      };
    });
    rows.sort((one, other) => other.deadRows - one.deadRows);
    return { rows, findings: found.flatMap((family) => findingsOf(family.members, limits, family.table.name)) };
  },
});

/** One finding for each kind of neglect in a family; the worst member is named. */
function findingsOf(members: Table[], limits: Record<Names, number>, family: string): Finding[] {
  const dead = worst(
    members.filter((t) => isBloatedByDead(t, limits)),
    (t) => t.deadRows,
  );
  const stale = worst(
    members.filter((t) => isStale(t, limits)),
    (t) => t.changedSinceAnalyze,
  );
  const off = members.filter(refusesAutovacuum);
  return [
    ...(dead.first
      ? [
          {
            severity: "warning" as const,
            object: dead.first.name,
            what: `${dead.first.name} has ${count(dead.first.deadRows)} dead rows, ${percent(deadShare(dead.first))} of all${since(dead.first.sinceVacuumSeconds, "vacuumed")}${others(dead.others, family)}.`,
            why: "Dead rows are read by every scan and kept in every index; their space is lost until vacuum comes.",
            fix: `vacuum (analyze) ${dead.first.name}; if they stay, \`toolkit check transactions\` names who holds them back.`,
          },
        ]
      : []),
    ...(stale.first
      ? [
          {
            severity: "warning" as const,
            object: stale.first.name,
            what: `${count(stale.first.changedSinceAnalyze)} rows of ${stale.first.name} changed since its statistics were made${since(stale.first.sinceAnalyzeSeconds, "analyzed")}${others(stale.others, family)}.`,
            why: "The planner chooses by statistics: with old ones it takes the wrong index, or none.",
            fix: `analyze ${stale.first.name};`,
          },
        ]
      : []),
    ...(off[0]
      ? [
          {
            severity: "warning" as const,
            object: off[0].name,
            what: `Autovacuum is switched off for ${off[0].name}${others(off.length - 1, family)}.`,
            why: "Nobody removes its dead rows, and its statistics grow old; only the danger of wraparound brings vacuum.",
            fix: `alter table ${off[0].name} reset (autovacuum_enabled);`,
          },
        ]
      : []),
  ];
}

/** Whether a table has more dead rows than the limits allow. */
export function isBloatedByDead(table: Table, limits: { deadPercent: number; deadRows: number }): boolean {
  return table.deadRows >= limits.deadRows && deadShare(table) >= limits.deadPercent;
}

/** Whether a table has changed more since its statistics were made than the limits allow. */
export function isStale(table: Table, limits: { changedPercent: number; changedRows: number }): boolean {
  const changed = table.changedSinceAnalyze;
  return changed >= limits.changedRows && share(changed, Math.max(table.rowsThen, 1)) >= limits.changedPercent;
}

/** Dead rows in percent of all. */
export function deadShare({ liveRows, deadRows }: Table): number {
  return share(deadRows, liveRows + deadRows);
}

function worst(tables: Table[], by: (table: Table) => number): { first: Table | undefined; others: number } {
  const [first] = tables.toSorted((one, other) => by(other) - by(one));
  return { first, others: tables.length - 1 };
}

const since = (seconds: number | null, done: string) =>
  seconds === null ? `, and was never ${done}` : `; it was ${done} ${duration(seconds)} ago`;

const others = (amount: number, family: string) => (amount > 0 ? `, and ${amount} more of ${family} are like it` : "");

/** The longest of some times; null when one never came. */
function longest(times: (number | null)[]): number | null {
  return times.length === 0 || times.includes(null) ? null : Math.max(...(times as number[]));
}
