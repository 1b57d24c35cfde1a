import { count } from "../terminal.ts";

/** One thing to look at before a database is changed. */
export interface PreflightCheck {
  name: string;
  /** Gives a row for each finding, with its measure as `value`. */
  sql: string;
  /** From which `value` on a finding is told; in the unit of the check. */
  warn?: number;
  /** From which `value` on nothing is migrated. */
  stop?: number;
  /** The page that gives the reason. */
  page: string;
  message(row: Row): { what: string; why: string; fix: string };
}

// What a check's query gives; its names are those in its SQL.
type Row = Record<string, string> & { value: number };

const MB = 1024 ** 2;
const minutes = (seconds: number) => `${Math.round(seconds / 60)} min`;
const docs = "https://www.postgresql.org/docs/current";

// Seconds. A dump or a report may well take half an hour; what is older was mostly forgotten.
const [oldTransaction, veryOldTransaction] = [5 * 60, 30 * 60];
const holdsLocks =
  "Until it ends it holds its locks, and CREATE INDEX CONCURRENTLY waits for it, whatever tables it uses.";

/** What speaks against migrating now, by what the server says of itself. */
export const preflightChecks: readonly PreflightCheck[] = [
  {
    name: "old transactions",
    sql: `
      select pid, application_name as application, usename as user, state,
             extract(epoch from clock_timestamp() - xact_start)::float8 as value
      from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
        and xact_start is not null
      order by xact_start`,
    warn: oldTransaction,
    stop: veryOldTransaction,
    page: `${docs}/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY`,
    message: ({ pid, application, user, state, value }) => ({
      what: `session ${pid} ("${application}", user ${user}, ${state}) has a transaction open for ${minutes(value)}`,
      why: holdsLocks,
      fix: `Let it end, or end it: select pg_terminate_backend(${pid});`,
    }),
  },
  {
    name: "prepared transactions",
    sql: `
      select gid, owner, extract(epoch from clock_timestamp() - prepared)::float8 as value
      from pg_prepared_xacts where database = current_database() order by prepared`,
    warn: 0,
    stop: oldTransaction,
    page: `${docs}/sql-prepare-transaction.html`,
    message: ({ gid, owner, value }) => ({
      what: `the transaction '${gid}' of ${owner} is prepared for ${minutes(value)} and not committed`,
      why: "It holds its locks, and keeps VACUUM away, until someone commits it or rolls it back; also after a restart.",
      fix: `Have its coordinator end it, or: rollback prepared '${gid!.replaceAll("'", "''")}';`,
    }),
  },
  {
    name: "replica lag in bytes",
    sql: `
      select application_name as replica,
             case when not pg_is_in_recovery() then pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) end::float8 as value
      from pg_stat_replication where replay_lsn is not null`,
    warn: 64 * MB,
    stop: 1024 * MB,
    page: `${docs}/monitoring-stats.html#MONITORING-PG-STAT-REPLICATION-VIEW`,
    message: ({ replica, value }) => ({
      what: `the replica ${replica} is ${count(value / MB)} MB behind`,
      why: "A migration writes much at once: the replica falls further behind, and its readers see old rows for longer.",
      fix: "Wait until it has caught up, or find what holds it up (a long query there, its disk, the network).",
    }),
  },
  {
    name: "replica lag in time",
    sql: `
      select application_name as replica, extract(epoch from replay_lag)::float8 as value
      from pg_stat_replication where replay_lag is not null`,
    warn: 30,
    stop: 300,
    page: `${docs}/monitoring-stats.html#MONITORING-PG-STAT-REPLICATION-VIEW`,
    message: ({ replica, value }) => ({
      what: `the replica ${replica} is ${Math.round(value)} s behind`,
      why: "A migration writes much at once: the replica falls further behind, and its readers see old rows for longer.",
      fix: "Wait until it has caught up, or find what holds it up (a long query there, its disk, the network).",
    }),
  },
  {
    name: "invalid indexes",
    sql: `
      select format('%I.%I', nspname, relname) as index, 1 as value
      from pg_index x join pg_class c on c.oid = indexrelid join pg_namespace n on n.oid = relnamespace
      where not indisvalid and nspname !~ '^pg_(toast|temp)'
        and not exists (select from pg_stat_progress_create_index p
                        where p.index_relid = x.indexrelid and p.datname = current_database())
      order by 1`,
    warn: 1,
    page: `${docs}/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY`,
    message: ({ index }) => ({
      what: `the index ${index} is invalid`,
      why: "An interrupted build left it: no query uses it, and every write pays for it.",
      fix: `Build it again: reindex index concurrently ${index}; or drop it.`,
    }),
  },
  {
    name: "transaction id wraparound",
    sql: `select datname as database, greatest(age(datfrozenxid), mxid_age(datminmxid))::float8 as value
          from pg_database order by value desc limit 1`,
    // autovacuum_freeze_max_age is 200 million; vacuum_failsafe_age, the last resort, 1.6 billion; the end 2.1.
    warn: 500_000_000,
    stop: 1_500_000_000,
    page: `${docs}/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND`,
    message: ({ database, value }) => ({
      what: `the oldest transaction id of database ${database} is ${count(value / 1e6)} million transactions old`,
      why: "At about 2,100 million the server takes no writes any more. VACUUM is behind, and a migration gives it more to do.",
      fix: "Run the runbook of the emergency first: npm run runbook -- wraparound-near",
    }),
  },
  {
    name: "connections",
    sql: `
      select count(*)::int as used, max(m.allowed) as allowed, (100.0 * count(*) / max(m.allowed))::float8 as value
      from pg_stat_activity
      cross join (select current_setting('max_connections')::int
                         - current_setting('superuser_reserved_connections')::int as allowed) m
      where backend_type = 'client backend'`,
    stop: 90,
    page: `${docs}/runtime-config-connection.html#GUC-MAX-CONNECTIONS`,
    message: ({ used, allowed, value }) => ({
      what: `${used} of ${allowed} connections are in use (${Math.round(value)} %)`,
      why: "A migration takes a few, and sessions that wait for its locks pile up: the rest would be gone in a moment.",
      fix: "Close idle sessions: npm run runbook -- pool-exhausted",
    }),
  },
];
