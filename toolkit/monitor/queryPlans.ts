import pg from "pg";
import { type Advice, adviceOn, type PlanLimits } from "./plans/advice.ts";
import { nameOf, planLines } from "./plans/planLines.ts";
import { readTablesOf } from "./plans/readTables.ts";
import { type PlanNode, stepsOf } from "./plans/steps.ts";
import { question } from "./question.ts";
import { lookUp, shown } from "./slowQueries.ts";
import { docs } from "./sources.ts";
import { statement, things } from "./texts.ts";

/** The newest plan of a statement. */
export interface QueryPlan {
  queryId: string;
  query: string;
  milliseconds: number;
  /** As the log writes it. */
  at: string | null;
  /** The step that took the most time of its own; null where times were not measured. */
  slowest: string | null;
  plan: PlanNode;
  advice: Advice[];
}

/**
 * The plans that auto_explain logged of the statements that take most of the time. It reads the end of the server's log:
 * asked by name and for reports, and in no ordinary snapshot. Values are shown nowhere.
 */
export const queryPlans = question<QueryPlan, keyof PlanLimits>({
  name: "query-plans",
  title: "How were the statements run that take the time?",
  thresholds: {
    removedPercent: {
      value: 90,
      unit: "%",
      why: "Where one row of ten is wanted, an index reads less than the whole table.",
      source: `${docs}/using-explain.html#USING-EXPLAIN-ANALYZE`,
    },
    removedRows: {
      value: 10_000,
      unit: "rows",
      why: "Fewer are read in a millisecond.",
      source: `${docs}/indexes-examine.html`,
    },
    estimateTimes: {
      value: 100,
      unit: "times",
      why: "An estimate that is off by ten often leads to the same plan; by a hundred hardly.",
      source: `${docs}/planner-stats.html`,
    },
    estimateRows: {
      value: 10_000,
      unit: "rows",
      why: "Few rows are few, whichever way they are joined.",
      source: `${docs}/planner-stats.html#PLANNER-STATS-EXTENDED`,
    },
    spilledBytes: {
      value: 10 * 1024 ** 2,
      unit: "bytes",
      why: "As log_temp_files of the stacks: less goes to the system's cache.",
      source: `${docs}/runtime-config-resource.html#GUC-WORK-MEM`,
    },
    fetchedRows: {
      value: 10_000,
      unit: "rows",
      why: "Fewer are looked up in some milliseconds.",
      source: `${docs}/indexes-index-only-scans.html`,
    },
  },
  lines: planLines,
  async ask(database, limits) {
    const place = await lookUp(database);
    if ("unavailable" in place) return { rows: [], findings: [], unavailable: place.unavailable };
    const log = await database.log();
    if ("unavailable" in log) return { rows: [], findings: [], unavailable: log.unavailable };
    const { rows: statements } = await database.query<{ queryId: string; query: string; prefix: string }>(
      `select s.queryid::text as "queryId", s.query, current_setting('log_line_prefix') as prefix
       from ${pg.escapeIdentifier(place.schema)}.pg_stat_statements s
       where s.dbid = (select oid from pg_database where datname = current_database()) and s.calls > 0
         and s.queryid is not null
       order by s.total_exec_time desc limit ${shown}`,
    );
    // Loaded only where a log is read: the parser is big.
    const { loggedPlans } = await import("./plans/entries.ts");
    const { matchPlans } = await import("./plans/match.ts");
    const logged = loggedPlans(log, statements[0]?.prefix ?? "").filter(
      (one) => one.database === null || one.database === database.server.database,
    );
    const { plans, unread } = matchPlans(logged, statements);
    const tableOf = await readTablesOf(
      [...plans.values()].map(({ plan }) => plan.root),
      database,
    );
    const rows = statements.flatMap(({ queryId, query }): QueryPlan[] => {
      const found = plans.get(queryId);
      if (!found) return [];
      plans.delete(queryId);
      const { plan, logged } = found;
      const [slowest] = stepsOf(plan.root)
        .map(({ node }) => node)
        .toSorted((one, other) => (other.ownMilliseconds ?? 0) - (one.ownMilliseconds ?? 0));
      return [
        {
          ...{ queryId, query: statement(query), milliseconds: logged.milliseconds, at: logged.at },
          slowest: slowest?.ownMilliseconds == null ? null : nameOf(slowest),
          plan: plan.root,
          advice: adviceOn(plan.root, limits, tableOf),
        },
      ];
    });
    const note = noteOn(rows, { logged: logged.length, unread, explains: place.explains, place: log.place });
    return {
      rows,
      findings: rows.flatMap(({ queryId, advice }) =>
        // The statement itself is a finding of slow-queries: this is what to do about it.
        advice.map((one) => ({ severity: "notice" as const, object: `statement ${queryId}`, ...one })),
      ),
      ...(note ? { unavailable: note } : {}),
    };
  },
});

/** What makes the answer less than it could be, as a whole sentence. */
function noteOn(
  rows: readonly QueryPlan[],
  seen: { logged: number; unread: number; explains: boolean; place: string },
): string | undefined {
  if (seen.logged === 0)
    return seen.explains
      ? `No plan is at the end of ${seen.place}: none of the statements was slower than auto_explain.log_min_duration of late.`
      : "No plans are logged: add auto_explain to session_preload_libraries, and set auto_explain.log_min_duration, auto_explain.log_format = json and auto_explain.log_analyze.";
  if (seen.unread === seen.logged)
    return `${things(seen.logged, "plan is", "plans are")} in ${seen.place} in a form that is not read here: set auto_explain.log_format to json.`;
  if (rows.length === 0)
    return `${things(seen.logged, "plan is", "plans are")} in ${seen.place}, and none of a statement that takes much of the time.`;
  return rows.every(({ plan }) => plan.rows === null)
    ? "The plans tell what was expected, and not what happened: set auto_explain.log_analyze, without auto_explain.log_timing where it is to cost little."
    : undefined;
}
