import { type Finding, question } from "./question.ts";
import { sessionsHidden } from "./server.ts";
import { docs } from "./sources.ts";
import { duration, statement, things } from "./texts.ts";

interface Session {
  pid: number;
  blockedBy: number[];
  user: string | null;
  application: string | null;
  state: string | null;
  waitSeconds: number | null;
  transactionSeconds: number | null;
  query: string | null;
}

interface Row extends Omit<Session, "query"> {
  /** How deep in the tree: 0 waits for nobody. Rows come in the order of the tree. */
  depth: number;
  /** How many sessions wait for it, directly or behind others. */
  waiting: number;
  query: string;
}

/** Who waits for whom, as a tree: at its root the culprit. A session 0 is a prepared transaction. */
export const locks = question<Row, "waitSeconds" | "criticalSeconds" | "criticalSessions">({
  name: "locks",
  title: "Who waits for a lock, and who holds it?",
  thresholds: {
    waitSeconds: {
      value: 5,
      unit: "seconds",
      why: "Shorter waits are part of ordinary work; the runbook lock-pile-up leaves them alone as well.",
      source: `${docs}/runtime-config-locks.html#GUC-DEADLOCK-TIMEOUT`,
    },
    criticalSeconds: {
      value: 60,
      unit: "seconds",
      why: "Whoever waits for a page gives up within a minute.",
      source: `${docs}/monitoring-locks.html`,
    },
    criticalSessions: {
      value: 10,
      unit: "sessions",
      why: "A pool of 8 to 15 connections is used up by as many waiting sessions.",
      source: `${docs}/monitoring-locks.html`,
    },
  },
  async ask(database, limits) {
    // pg_blocking_pids stops every lock manager for a moment: asked only for those that wait.
    const { rows: sessions } = await database.query<Session>(`
      with waiting as materialized (
        select pid, pg_blocking_pids(pid) as blockers from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'
      ),
      involved as (
        select pid, to_jsonb(blockers) as blockers from waiting
        union all
        select pid, '[]' from (select unnest(blockers) as pid from waiting except select pid from waiting) as culprits
      )
      select i.pid, i.blockers as "blockedBy", a.usename as "user", a.application_name as application, a.state,
             (select extract(epoch from clock_timestamp() - min(l.waitstart))::float8 from pg_locks l
              where l.pid = i.pid and not l.granted) as "waitSeconds",
             extract(epoch from clock_timestamp() - a.xact_start)::float8 as "transactionSeconds", a.query
      from involved i left join pg_stat_activity a on a.pid = i.pid`);
    const rows = treeOf(sessions);
    const findings = rows.flatMap((row, index) => {
      if (row.depth > 0 || row.waiting === 0) return [];
      const below = rows.slice(index + 1);
      const end = below.findIndex(({ depth }) => depth === 0);
      const longest = Math.max(...below.slice(0, end < 0 ? undefined : end).map((other) => other.waitSeconds ?? 0));
      if (longest < limits.waitSeconds) return [];
      const critical = longest >= limits.criticalSeconds || row.waiting >= limits.criticalSessions;
      return [findingOf(row, longest, critical)];
    });
    return { rows, findings, ...(database.server.seesSessions ? {} : { unavailable: sessionsHidden }) };
  },
});

/** The sessions in the order of the tree; one that waits for several stands below each, and a circle is cut. */
function treeOf(sessions: Session[]): Row[] {
  const below = (pid: number) => sessions.filter(({ blockedBy }) => blockedBy.includes(pid));
  const rows: Row[] = [];
  function grow(session: Session, depth: number, path: number[]): Set<number> {
    const row: Row = { ...session, depth, waiting: 0, query: statement(session.query) };
    rows.push(row);
    const behind = new Set<number>();
    for (const next of below(session.pid)) {
      if (path.includes(next.pid)) continue;
      behind.add(next.pid);
      for (const pid of grow(next, depth + 1, [...path, next.pid])) behind.add(pid);
    }
    row.waiting = behind.size;
    return behind;
  }
  for (const session of sessions) if (session.blockedBy.length === 0) grow(session, 0, [session.pid]);
  return rows;
}

function findingOf(row: Row, longest: number, critical: boolean): Finding {
  const who = row.pid === 0 ? "a prepared transaction" : `session ${row.pid} (${row.user ?? "?"}, ${row.state ?? "?"})`;
  const last = row.query ? `; its last statement: ${row.query}` : "";
  return {
    severity: critical ? "critical" : "warning",
    object: row.pid === 0 ? "a prepared transaction" : `session ${row.pid}`,
    what: `${things(row.waiting, "session waits", "sessions wait")} for a lock of ${who}, the longest for ${duration(longest)}${last}.`,
    why: "Whoever waits holds locks of its own, and others queue behind it: to end the culprit frees them all.",
    fix:
      row.pid === 0
        ? "Find it in pg_prepared_xacts, then commit prepared or rollback prepared."
        : `select pg_cancel_backend(${row.pid}); and, if it is idle in a transaction, select pg_terminate_backend(${row.pid});`,
    runbook: "lock-pile-up",
  };
}
