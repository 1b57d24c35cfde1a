import { deadShare, deadTuples, isBloatedByDead, isStale } from "../monitor/deadTuples.ts";
import { limitsOf } from "../monitor/question.ts";
import { families, type Table, total } from "../monitor/tables.ts";
import { percent, share } from "../monitor/texts.ts";
import { overridesOf } from "../monitor/thresholds.ts";
import { wraparound } from "../monitor/wraparound.ts";
import { count } from "../terminal.ts";
import type { Session } from "./session.ts";
import type { Look, Outcome, Step } from "./step.ts";
import { runYielding } from "./yielding.ts";

// Analyze reads 300 rows for each unit of default_statistics_target, which is 100, and hardly two of them from one page:
// https://www.postgresql.org/docs/current/sql-analyze.html
const sampledPages = 30_000;
// From 18 on analyze can leave out the partitions of a partitioned table, which have statistics of their own.
const analyzesOnly = 180_000;

/** Tables whose oldest transaction ids near the end of what there are, the oldest first. */
export async function tablesToFreeze({ database, session, limits }: Look): Promise<Step[]> {
  const { age: limit } = limitsOf(wraparound.thresholds, overridesOf(wraparound, limits));
  const age = (table: Table) => Math.max(table.transactionAge, table.multixactAge);
  const old = (await database.tables()).filter((table) => holdsRows(table) && age(table) >= limit);
  return Promise.all(
    old
      .toSorted((one, other) => age(other) - age(one))
      .map((table) => vacuumStep(database, session, table, `its oldest id is ${count(age(table))} old`, "freeze")),
  );
}

/** Tables with more dead rows than autovacuum lets come together, the most first. */
export async function tablesToVacuum({ database, session, limits }: Look): Promise<Step[]> {
  const bounds = limitsOf(deadTuples.thresholds, overridesOf(deadTuples, limits));
  const bad = (await database.tables()).filter((table) => holdsRows(table) && isBloatedByDead(table, bounds));
  return Promise.all(
    bad
      .toSorted((one, other) => other.deadRows - one.deadRows)
      .map((table) => {
        const why = `${count(table.deadRows)} dead rows, ${percent(deadShare(table))} of all`;
        return vacuumStep(database, session, table, why, isStale(table, bounds) ? "analyze" : undefined);
      }),
  );
}

/**
 * Tables whose statistics are old, the most changed first; and partitioned tables as a whole, which autovacuum never
 * analyzes: https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-STATISTICS
 */
export async function tablesToAnalyze({ database, limits }: Look): Promise<Step[]> {
  const bounds = limitsOf(deadTuples.thresholds, overridesOf(deadTuples, limits));
  const { pageBytes, versionNumber } = database.server;
  const found: { table: Table; changed: number; step: Step }[] = [];
  const add = (table: Table, changed: number, pages: number, target = table.name) => {
    const then = table.rowsThen < 0 ? "never analyzed" : `when ${count(table.rowsThen)} were analyzed`;
    const does = `analyze (skip_locked) ${target}`;
    const why = `${count(changed)} rows changed since, ${then}`;
    const costBytes = Math.min(pages, sampledPages) * pageBytes;
    const run = (session: Session) => runYielding(session, `analyze ${table.name}`, does);
    found.push({ table, changed, step: { object: table.name, why, does, costBytes, run } });
  };
  for (const family of families(await database.tables())) {
    const { table, members } = family;
    const rows = total(family, (member) => Math.max(member.liveRows, 0));
    const changed = Math.abs(rows - Math.max(table.rowsThen, 0));
    const whole =
      table.kind === "partitioned table" &&
      changed >= bounds.changedRows &&
      share(changed, Math.max(table.rowsThen, 1)) >= bounds.changedPercent;
    const only = versionNumber >= analyzesOnly;
    if (whole)
      add(
        table,
        changed,
        total(family, (t) => t.pages),
        only ? `only ${table.name}` : table.name,
      );
    // What analyzes the whole table analyzes its partitions, too.
    if (!whole || only)
      for (const member of members) if (isStale(member, bounds)) add(member, member.changedSinceAnalyze, member.pages);
  }
  return found.toSorted((one, other) => other.changed - one.changed).map(({ step }) => step);
}

const holdsRows = ({ kind }: Table) => kind !== "partitioned table";

async function vacuumStep(
  database: Look["database"],
  { hasStandby }: Session,
  table: Table,
  why: string,
  also: "freeze" | "analyze" | undefined,
): Promise<Step> {
  const indexes = (await database.indexes()).filter((index) => index.table === table.oid);
  const pages = table.pages + table.toastPages + indexes.reduce((sum, index) => sum + index.pages, 0);
  // A standby repeats the exclusive lock under which a table is cut short, and its readers wait or are cancelled:
  // https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-CONFLICT
  const options = [also, "skip_locked", ...(hasStandby ? ["truncate off"] : [])].filter(Boolean).join(", ");
  const does = `vacuum (${options}) ${table.name}`;
  return {
    ...{ object: table.name, why, does, costBytes: pages * database.server.pageBytes },
    async run(session) {
      const outcome = await runYielding(session, `vacuum ${table.name}`, does);
      return outcome.result === "done" && also !== "freeze" ? withStaying(session, table, outcome) : outcome;
    },
  };
}

/** Tells of rows that vacuum may not remove yet, for somebody still sees them. */
async function withStaying({ worker }: Session, table: Table, outcome: Outcome): Promise<Outcome> {
  const { rows } = await worker.query("select pg_stat_get_dead_tuples($1)::float8 as dead", [table.oid]);
  const { dead } = rows[0];
  if (dead < table.deadRows / 2) return outcome;
  return {
    ...outcome,
    note: `${count(dead)} dead rows stay: \`toolkit check transactions\` names who holds them back`,
  };
}
