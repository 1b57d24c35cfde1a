import { type Finding, question } from "./question.ts";
import { sessionsHidden } from "./server.ts";
import { docs } from "./sources.ts";
import { duration, percent, share, things } from "./texts.ts";

interface Row {
  scope: "server" | "database" | "role";
  object: string;
  used: number;
  most: number;
  usedPercent: number;
}

interface Idle {
  sessions: number;
  oldestSeconds: number;
}

/** The limits on connections, each with what is used of it, the tightest first. */
export const connections = question<Row, "usedPercent" | "criticalPercent" | "idleSeconds" | "idleSessions">({
  name: "connections",
  title: "How near are the limits on connections?",
  thresholds: {
    usedPercent: {
      value: 80,
      unit: "%",
      why: "Four fifths leave room for one more pool to start; the runbook pool-exhausted begins here.",
      source: `${docs}/runtime-config-connection.html#GUC-MAX-CONNECTIONS`,
    },
    criticalPercent: {
      value: 95,
      unit: "%",
      why: "The next deploy, with its old and new processes side by side, is refused.",
      source: `${docs}/runtime-config-connection.html#GUC-MAX-CONNECTIONS`,
    },
    idleSeconds: {
      value: 3600,
      unit: "seconds",
      why: "A pool would have closed or used it: the runbook pool-exhausted ends it then.",
      source: `${docs}/runtime-config-client.html#GUC-IDLE-SESSION-TIMEOUT`,
    },
    idleSessions: {
      value: 10,
      unit: "sessions",
      why: "A person's console may stay open over lunch; ten of them are a leak.",
      source: `${docs}/runtime-config-client.html#GUC-IDLE-SESSION-TIMEOUT`,
    },
  },
  async ask(database, limits) {
    const { rows } = await database.query<Row>(`
      with sessions as (select usename, datname from pg_stat_activity where backend_type = 'client backend'),
      limits (scope, object, used, most) as (
        select 'server', '', (select count(*) from sessions)::int,
               current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                 - coalesce(current_setting('reserved_connections', true)::int, 0)
        union all
        select 'database', d.datname, (select count(*) from sessions s where s.datname = d.datname)::int, d.datconnlimit
        from pg_database d where d.datname = current_database() and d.datconnlimit > 0
        union all
        select 'role', r.rolname, (select count(*) from sessions s where s.usename = r.rolname)::int, r.rolconnlimit
        from pg_roles r where r.rolconnlimit > 0
      )
      select *, 100.0::float8 * used / most as "usedPercent" from limits order by 5 desc`);
    const { rows: idle } = await database.query<Idle>(
      `select count(*)::int as sessions,
              coalesce(extract(epoch from clock_timestamp() - min(state_change)), 0)::float8 as "oldestSeconds"
       from pg_stat_activity
       where backend_type = 'client backend' and state = 'idle' and pid <> pg_backend_pid()
         and state_change < clock_timestamp() - $1 * interval '1 second'`,
      [limits.idleSeconds],
    );
    const findings: Finding[] = rows
      .filter(({ usedPercent }) => usedPercent >= limits.usedPercent)
      .map(({ scope, object, used, most, usedPercent }) => ({
        severity: usedPercent >= limits.criticalPercent ? "critical" : "warning",
        object,
        what: `${used} of the ${most} connections ${scope === "server" ? "of the server" : `of the ${scope} ${object}`} are taken, ${percent(usedPercent)}.`,
        why: "When none is left, clients get an error; and each session costs memory and time even while it is idle.",
        fix: "End what does nothing, and make pools smaller; raise the limit last.",
        runbook: "pool-exhausted",
      }));
    const { sessions, oldestSeconds } = idle[0]!;
    if (sessions >= limits.idleSessions)
      findings.push({
        severity: "notice",
        object: "",
        what: `${things(sessions, "session has", "sessions have")} been idle for more than ${duration(limits.idleSeconds)}, the oldest for ${duration(oldestSeconds)}.`,
        why: `Sessions that nobody uses are ${percent(share(sessions, rows.find((row) => row.scope === "server")!.most))} of the server's connections.`,
        fix: "Find who opened them by application_name in pg_stat_activity; a pool with an idle limit closes them by itself.",
        runbook: "pool-exhausted",
      });
    return { rows, findings, ...(database.server.seesSessions ? {} : { unavailable: sessionsHidden }) };
  },
});
