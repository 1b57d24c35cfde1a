import pg from "pg";
import { count } from "../terminal.ts";
import type { Database } from "./database.ts";
import { type Finding, question } from "./question.ts";
import { docs, pghero } from "./sources.ts";
import { bytes, percent, share, statement, things } from "./texts.ts";

interface Row {
  /** The statement's number, the same on every server of a major version; a text, for it has 64 bits. */
  queryId: string;
  user: string | null;
  calls: number;
  meanMilliseconds: number;
  totalSeconds: number;
  /** Of the time of all statements of this database. */
  timePercent: number;
  rowsPerCall: number;
  hitPercent: number;
  temporaryBytes: number;
  query: string;
}

type Names = "meanMilliseconds" | "calls" | "timePercent" | "temporaryBytes";

/** How many statements are told. */
export const shown = 20;

/** The statements that take most of the time, as pg_stat_statements counts them in this database. */
export const slowQueries = question<Row, Names>({
  name: "slow-queries",
  title: "Which statements take the time?",
  thresholds: {
    meanMilliseconds: {
      value: 100,
      unit: "ms",
      why: "A page that runs ten of them takes a second.",
      source: `${docs}/pgstatstatements.html`,
    },
    calls: {
      value: 20,
      unit: "calls",
      why: "A statement that ran a few times is a person's, or a report's.",
      source: `${pghero}/blob/master/lib/pghero.rb`,
    },
    timePercent: {
      value: 25,
      unit: "%",
      why: "A statement with a quarter of all time is the first to look at, however fast each call is.",
      source: `${docs}/pgstatstatements.html`,
    },
    temporaryBytes: {
      value: 100 * 1024 ** 2,
      unit: "bytes",
      why: "A call that writes so much to disk wants more work_mem, or an index in the order that it sorts by.",
      source: `${docs}/runtime-config-resource.html#GUC-WORK-MEM`,
    },
  },
  async ask(database, limits) {
    const place = await lookUp(database);
    if ("unavailable" in place) return { rows: [], findings: [], unavailable: place.unavailable };
    const rows = await read(database, place.schema);
    const findings = rows.flatMap((row) => findingOf(row, limits, place.explains));
    const hidden = database.server.seesSessions
      ? {}
      : { unavailable: "The texts of other users' statements are hidden: grant pg_read_all_stats to this role." };
    return { rows, findings, ...hidden };
  },
});

/** Whether the statements are counted here, in which schema, and whether the log gets the plans of slow ones. */
export async function lookUp(
  database: Database,
): Promise<{ schema: string; explains: boolean } | { unavailable: string }> {
  // A role may not see what is preloaded; auto_explain's settings exist where it is.
  const { rows } = await database.query<{
    schema: string | null;
    available: boolean;
    loaded: boolean;
    explains: boolean;
  }>(`
    select (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace
            where e.extname = 'pg_stat_statements') as schema,
           exists (select from pg_available_extensions where name = 'pg_stat_statements') as available,
           current_setting('pg_stat_statements.max', true) is not null as loaded,
           coalesce(current_setting('auto_explain.log_min_duration', true), '-1') <> '-1' as explains`);
  const { schema, available, loaded, explains } = rows[0]!;
  if (!available)
    return {
      unavailable:
        "This server does not have the extension pg_stat_statements: install the package with PostgreSQL's contrib modules.",
    };
  if (!loaded)
    return {
      unavailable:
        "Statements are not counted: add pg_stat_statements to shared_preload_libraries, and restart the server.",
    };
  if (!schema)
    return { unavailable: "Statements are counted, but not shown here: create extension pg_stat_statements;" };
  return { schema, explains };
}

async function read(database: Database, schema: string): Promise<Row[]> {
  const { rows } = await database.query<
    Row & { asked: number; hit: number; temporaryPages: number; everything: number }
  >(
    `select s.queryid::text as "queryId", r.rolname as "user", s.calls::float8 as calls,
            s.mean_exec_time as "meanMilliseconds", s.total_exec_time / 1000 as "totalSeconds",
            sum(s.total_exec_time) over () / 1000 as everything, s.rows::float8 / greatest(s.calls, 1) as "rowsPerCall",
            (s.shared_blks_hit + s.shared_blks_read)::float8 as asked, s.shared_blks_hit::float8 as hit,
            s.temp_blks_written::float8 / greatest(s.calls, 1) as "temporaryPages", left(s.query, 2000) as query
     from ${pg.escapeIdentifier(schema)}.pg_stat_statements s
     left join pg_roles r on r.oid = s.userid
     where s.dbid = (select oid from pg_database where datname = current_database()) and s.calls > 0
     order by s.total_exec_time desc limit ${shown}`,
  );
  return rows.map(({ asked, hit, temporaryPages, everything, ...row }) => ({
    ...row,
    timePercent: share(row.totalSeconds, everything),
    hitPercent: asked > 0 ? share(hit, asked) : 100,
    temporaryBytes: temporaryPages * database.server.pageBytes,
    query: statement(row.query),
  }));
}

function findingOf(row: Row, limits: Record<Names, number>, explains: boolean): Finding[] {
  const slow = row.meanMilliseconds >= limits.meanMilliseconds && row.calls >= limits.calls;
  const heavy = row.timePercent >= limits.timePercent && row.calls >= limits.calls;
  const spills = row.temporaryBytes >= limits.temporaryBytes;
  if (!slow && !heavy && !spills) return [];
  const spilled = spills ? `, and writes ${bytes(row.temporaryBytes)} to disk each time` : "";
  return [
    {
      severity: slow || spills ? "warning" : "notice",
      object: `statement ${row.queryId}`,
      what: `A statement takes ${row.meanMilliseconds.toFixed(1)} ms on average in ${things(row.calls, "call")}, ${percent(row.timePercent)} of all time${spilled}: ${row.query}`,
      why: `It returns ${count(row.rowsPerCall)} rows a call, and ${percent(row.hitPercent)} of its pages came from the cache.`,
      fix: explains
        ? "auto_explain is on: `toolkit check query-plans` reads its plans out of the server's log, and tells what to do."
        : "explain (analyze, buffers) it with real values; to get the plans of slow calls into the log, add auto_explain to session_preload_libraries and set auto_explain.log_min_duration (it is off).",
    },
  ];
}
