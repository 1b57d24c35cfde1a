import type pg from "pg";
import { UserError } from "../errors.ts";
import type { Queryable } from "../queryable.ts";

/** What changes of watched tables are announced on. */
export const channel = "table_changed";

const trigger = "announce_change";

// AFTER … FOR EACH STATEMENT, of INSERT, DELETE, UPDATE and TRUNCATE, as pg_trigger.tgtype has it.
const everyChange = 4 + 8 + 16 + 32;

// Others, too, wait behind whoever waits for a table's lock.
const lockTimeout = "2s";

/**
 * The announcement is the OID of the table, or of the root of its partitions: it outlives a rename, is far below the
 * 8000 bytes that a payload may have, and is the same for all partitions, so that a transaction announces a table once,
 * however many statements and partitions it touched (NOTIFY drops what repeats within a transaction).
 * The schema is the one that schema fingerprints leave out: a watched table is no drift.
 * https://www.postgresql.org/docs/current/sql-notify.html
 */
const install = `
  create schema if not exists deploy;
  create function deploy.${trigger}() returns trigger language plpgsql as $$
  begin
    perform pg_catalog.pg_notify('${channel}',
      coalesce(pg_catalog.pg_partition_root(tg_relid)::pg_catalog.oid, tg_relid)::pg_catalog.text);
    return null;
  end
  $$;
  comment on function deploy.${trigger}() is 'tells caches of query results that a table changed'`;

// By the catalogs and not by to_regproc, which refuses a role that may not use the schema; its triggers fire all the same.
export const announcer = `(select p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                    where nspname = 'deploy' and proname = '${trigger}' and pronargs = 0)`;

/** How a name stands with the announcements. */
export interface Watched {
  name: string;
  /** What its announcements carry; null where there is no such relation. */
  tag: string | null;
  /** Whether every change by a statement, to it or to any of its partitions, is announced. */
  watched: boolean;
  /** Relations that lack the trigger: itself or partitions. */
  unwatched: number;
}

/** How tables stand with the announcements; what is no table, or has children that are no partitions, is not watched. */
export async function readWatched(db: Queryable, names: readonly string[]): Promise<Watched[]> {
  const { rows } = await db.query<Watched>(
    `
    select name, root::oid::text as tag, coalesce(kind in ('r', 'p') and not has_children and unwatched = 0, false) as watched,
           coalesce(unwatched, 0)::int as unwatched
    from unnest($1::text[]) with ordinality as given (name, place)
    cross join lateral (select coalesce(pg_partition_root(to_regclass(name)), to_regclass(name)) as root) r
    left join lateral (
      select relkind as kind, relkind <> 'p' and relhassubclass as has_children from pg_class where oid = root
    ) c on true
    left join lateral (
      select count(*) filter (where not exists (
               select from pg_trigger
               where tgrelid = relid and tgfoid = ${announcer} and tgtype = ${everyChange}
                 and tgenabled = 'A')) as unwatched
      from (select root as relid union select relid from pg_partition_tree(root)) tree where relid is not null
    ) t on true
    order by place`,
    [names],
  );
  return rows;
}

/**
 * Has the changes of tables announced: a statement trigger on each, and on each of its partitions, for a statement that
 * names a partition fires only the partition's. Partitions that `toolkit partitions` makes have it from the start; after
 * others were added it has to be repeated, or watchNewPartitions() to be called (newPartitions.ts): until then the table counts as not
 * watched. Made on demand and by no migration: what it costs writers, only those pay whose
 * tables are cached; {@link unwatchTables} undoes it.
 *
 * What it costs: NOTIFY takes one lock for the whole server at commit and keeps it while the commit is flushed, so that
 * transactions that announce commit one after the other and share no flush. By pgbench, updates of one row, PostgreSQL 17
 * on 2 cores and a slow disk, four runs each: with one client no difference beyond that of the disk (about 300 commits a
 * second); with 8 clients 220 to 560 a second where 1,900 to 3,700 shared their flushes; with synchronous_commit off
 * about 5,400 where there were 13,000. So watch what is read much and written in batches; a batch pays once.
 * A transaction that announced cannot be prepared (PREPARE TRANSACTION).
 * @returns the number of relations that got a trigger
 * @throws UserError for a name that is no table, and where a lock is not had in time; then nothing is changed
 */
export async function watchTables(db: Queryable, names: readonly string[]): Promise<number> {
  return changeTriggers(db, names, "create");
}

/** SQL of the trigger. @param relation as SQL writes it */
export function createTrigger(relation: string): string {
  return `create trigger ${trigger} after insert or update or delete or truncate on ${relation}
           for each statement execute function deploy.${trigger}();
         alter table ${relation} enable always trigger ${trigger}`;
}

/** Ends the announcements of tables. May be repeated. @throws UserError as {@link watchTables} */
export async function unwatchTables(db: Queryable, names: readonly string[]): Promise<number> {
  return changeTriggers(db, names, "drop");
}

async function changeTriggers(db: Queryable, names: readonly string[], what: "create" | "drop"): Promise<number> {
  const { rows } = await db.query<{
    name: string;
    missing: boolean;
    installed: boolean;
    relation: string;
    has: boolean;
  }>(
    `
    select name, coalesce(kind not in ('r', 'p'), true) as missing, ${announcer} is not null as installed, relid::text as relation,
           exists (select from pg_trigger where tgrelid = relid and tgname = '${trigger}') as has
    from unnest($1::text[]) as name
    cross join lateral (select coalesce(pg_partition_root(to_regclass(name)), to_regclass(name)) as root) r
    left join lateral (select relkind as kind from pg_class where oid = root) c on true
    cross join lateral (select root as relid union select relid from pg_partition_tree(root)) tree`,
    [names],
  );
  const wrong = rows.find(({ missing }) => missing);
  if (wrong)
    throw new UserError(`${wrong.name} cannot be watched: it is no table`, {
      why: "Only a table tells of its changes by a trigger; a view's tables do, and a materialized view changes without one.",
      fix: "Name tables, with their schema where it is not in the search path.",
      exitCode: 2,
    });
  const relations = [...new Set(rows.filter(({ has }) => has === (what === "drop")).map(({ relation }) => relation))];
  if (relations.length === 0) return 0;
  const statements = relations.map((relation) =>
    what === "drop" ? `drop trigger ${trigger} on ${relation}` : createTrigger(relation),
  );
  try {
    // One message of several statements is one transaction.
    await db.query(
      [
        `set local lock_timeout = '${lockTimeout}'`,
        ...(what === "create" && !rows[0]!.installed ? [install] : []),
        ...statements,
      ].join(";\n"),
    );
  } catch (error) {
    if ((error as pg.DatabaseError).code !== "55P03") throw error;
    throw new UserError(`the ${what === "create" ? "watch" : "end of the watch"} of ${names.join(", ")} was given up`, {
      why: `Somebody writes to one of them, and its lock was not had within ${lockTimeout}.`,
      fix: "Try again; `npm run runbook -- lock-pile-up` finds who holds it.",
      cause: error,
    });
  }
  return relations.length;
}
