import { count } from "../terminal.ts";
import { type Finding, question } from "./question.ts";
import { sessionsHidden } from "./server.ts";
import { docs, guidance } from "./sources.ts";
import { duration, statement } from "./texts.ts";

interface Row {
  pid: number | null;
  kind: "session" | "prepared transaction";
  object: string;
  state: string;
  application: string | null;
  transactionSeconds: number;
  /** How long it has been in this state. */
  stateSeconds: number;
  /** How many transactions ago its oldest snapshot is: what vacuum may not remove because of it. */
  snapshotAge: number | null;
  query: string;
}

type Names = "idleSeconds" | "longSeconds" | "criticalSeconds" | "preparedSeconds" | "snapshotAge";

/** Transactions that are open for long, and what they hold back. */
export const transactions = question<Row, Names>({
  name: "transactions",
  title: "Which transactions have been open for too long?",
  thresholds: {
    idleSeconds: {
      value: 60,
      unit: "seconds",
      why: "A program that thinks for a minute inside a transaction has forgotten it; the runbook pool-exhausted ends it then.",
      source: `${docs}/runtime-config-client.html#GUC-IDLE-IN-TRANSACTION-SESSION-TIMEOUT`,
    },
    longSeconds: {
      value: 300,
      unit: "seconds",
      why: "Longer than any statement of an application; reports and builds have to be known.",
      source: `${docs}/routine-vacuuming.html#VACUUM-FOR-SPACE-RECOVERY`,
    },
    criticalSeconds: {
      value: 3600,
      unit: "seconds",
      why: "An hour of dead rows stays in every table that changes.",
      source: `${guidance}/postgresql-maintenance-rds-aurora/autovacuum.html`,
    },
    preparedSeconds: {
      value: 300,
      unit: "seconds",
      why: "Two-phase commit takes moments: an old one was forgotten, and survives a restart.",
      source: `${docs}/sql-prepare-transaction.html`,
    },
    snapshotAge: {
      value: 10_000_000,
      unit: "transactions",
      why: "A snapshot this old keeps the dead rows of ten million transactions, however young the clock says it is.",
      source: `${docs}/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND`,
    },
  },
  async ask(database, limits) {
    const { rows } = await database.query<Row>(`
      select pid, 'session' as kind, 'session ' || pid as object, coalesce(state, '') as state,
             application_name as application,
             extract(epoch from clock_timestamp() - xact_start)::float8 as "transactionSeconds",
             extract(epoch from clock_timestamp() - state_change)::float8 as "stateSeconds",
             greatest(age(backend_xmin), age(backend_xid)) as "snapshotAge", query
      from pg_stat_activity
      where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()
        and backend_type in ('client backend', 'parallel worker') and leader_pid is null
      union all
      select null, 'prepared transaction', gid, 'prepared', null,
             extract(epoch from clock_timestamp() - prepared)::float8,
             extract(epoch from clock_timestamp() - prepared)::float8, age(transaction), ''
      from pg_prepared_xacts where database = current_database()
      order by 6 desc`);
    return {
      rows: rows.map((row) => ({ ...row, query: statement(row.query) })),
      findings: rows.flatMap((row) => findingOf({ ...row, query: statement(row.query) }, limits)),
      ...(database.server.seesSessions ? {} : { unavailable: sessionsHidden }),
    };
  },
});

function findingOf(row: Row, limits: Record<Names, number>): Finding[] {
  const severity = row.transactionSeconds >= limits.criticalSeconds ? "critical" : "warning";
  const why = "It keeps its locks, a connection, and every row that was deleted since it began.";
  const end = `select pg_terminate_backend(${row.pid});`;
  const { object, pid } = row;
  const last = row.query ? `; its statement: ${row.query}` : "";
  if (row.kind === "prepared transaction")
    return row.transactionSeconds < limits.preparedSeconds
      ? []
      : [
          {
            ...{ severity, object, why },
            what: `The prepared transaction ${object} has been open for ${duration(row.transactionSeconds)}.`,
            fix: `rollback prepared '${object.replaceAll("'", "''")}'; or commit prepared, as the program that made it decides.`,
          },
        ];
  if (row.state.startsWith("idle in transaction") && row.stateSeconds >= limits.idleSeconds)
    return [
      {
        ...{ severity, object, why },
        what: `Session ${pid} (${row.application || "unnamed"}) has been idle in a transaction for ${duration(row.stateSeconds)}${last}.`,
        fix: `${end} and set idle_in_transaction_session_timeout, so that it does not come back.`,
        runbook: "pool-exhausted",
      },
    ];
  if (row.transactionSeconds >= limits.longSeconds || (row.snapshotAge ?? 0) >= limits.snapshotAge)
    return [
      {
        ...{ severity, object, why },
        what: `A transaction of session ${pid} (${row.application || "unnamed"}) has been open for ${duration(row.transactionSeconds)}, and ${count(row.snapshotAge ?? 0)} others began since${last}.`,
        fix: `If nobody waits for it: select pg_cancel_backend(${pid}); or ${end}`,
      },
    ];
  return [];
}
