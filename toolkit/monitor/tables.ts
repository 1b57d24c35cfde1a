import type { Queryable } from "../queryable.ts";

/** A table, a materialized view or a partition, with what the statistics say of it. Rows are estimates. */
export interface Table {
  oid: number;
  /** With its schema, quoted where it has to be. */
  name: string;
  schema: string;
  /** The name alone, as the statistics of its columns know it. */
  bareName: string;
  kind: "table" | "materialized view" | "partitioned table";
  /** The partitioned table that it is a partition of. */
  parent: number | null;
  /** Pages at the last vacuum or analyze. The size itself would take a lock, and wait where somebody else has one. */
  pages: number;
  toastPages: number;
  /** Rows at the last vacuum or analyze; -1 when there was none. */
  rowsThen: number;
  liveRows: number;
  deadRows: number;
  changedSinceAnalyze: number;
  insertedSinceVacuum: number;
  inserted: number;
  updated: number;
  deleted: number;
  /** Updates that touched no index. */
  hotUpdated: number;
  sequentialScans: number;
  sequentialRows: number;
  pagesAsked: number;
  pagesHit: number;
  sinceVacuumSeconds: number | null;
  sinceAnalyzeSeconds: number | null;
  transactionAge: number;
  multixactAge: number;
  /** Storage parameters, as autovacuum_enabled, by name. */
  options: Record<string, string>;
}

/**
 * Reads every table that belongs to users. The functions under the view pg_stat_all_tables are called by themselves,
 * for the view also adds up every index; and none of these takes a lock on a table.
 */
export async function readTables(client: Queryable): Promise<Table[]> {
  const { rows } = await client.query<Table & { options: Record<string, string> | null }>(`
    select c.oid as oid, format('%I.%I', n.nspname, c.relname) as name, n.nspname as schema,
           c.relname as "bareName",
           case c.relkind when 'r' then 'table' when 'm' then 'materialized view' else 'partitioned table' end as kind,
           case when c.relispartition then (select inhparent from pg_inherits where inhrelid = c.oid) end as parent,
           c.relpages as pages, coalesce(t.relpages, 0) as "toastPages", c.reltuples::float8 as "rowsThen",
           pg_stat_get_live_tuples(c.oid)::float8 as "liveRows", pg_stat_get_dead_tuples(c.oid)::float8 as "deadRows",
           pg_stat_get_mod_since_analyze(c.oid)::float8 as "changedSinceAnalyze",
           pg_stat_get_ins_since_vacuum(c.oid)::float8 as "insertedSinceVacuum",
           pg_stat_get_tuples_inserted(c.oid)::float8 as inserted, pg_stat_get_tuples_updated(c.oid)::float8 as updated,
           pg_stat_get_tuples_deleted(c.oid)::float8 as deleted,
           pg_stat_get_tuples_hot_updated(c.oid)::float8 as "hotUpdated",
           pg_stat_get_numscans(c.oid)::float8 as "sequentialScans",
           pg_stat_get_tuples_returned(c.oid)::float8 as "sequentialRows",
           pg_stat_get_blocks_fetched(c.oid)::float8 as "pagesAsked", pg_stat_get_blocks_hit(c.oid)::float8 as "pagesHit",
           extract(epoch from clock_timestamp() - greatest(pg_stat_get_last_vacuum_time(c.oid),
             pg_stat_get_last_autovacuum_time(c.oid)))::int as "sinceVacuumSeconds",
           extract(epoch from clock_timestamp() - greatest(pg_stat_get_last_analyze_time(c.oid),
             pg_stat_get_last_autoanalyze_time(c.oid)))::int as "sinceAnalyzeSeconds",
           case when c.relfrozenxid <> '0' then greatest(age(c.relfrozenxid), age(t.relfrozenxid)) else 0 end
             as "transactionAge",
           case when c.relminmxid <> '0' then greatest(mxid_age(c.relminmxid), mxid_age(t.relminmxid)) else 0 end
             as "multixactAge",
           case when c.reloptions is not null then (select jsonb_object_agg(option_name, option_value)
                                                    from pg_options_to_table(c.reloptions)) end as options
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join pg_class t on t.oid = c.reltoastrelid
    where c.relkind in ('r', 'm', 'p') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
    order by n.nspname, c.relname`);
  return rows.map((row) => ({ ...row, options: row.options ?? {} }));
}

/** A table that stands by itself, or a partitioned one with all that is below it. */
export interface Family {
  /** The table that is no partition. */
  table: Table;
  /** Those of it that hold rows: itself, or its partitions at every level. */
  members: Table[];
}

/** The tables, each with its partitions: four hundred partitions are one table to whoever looks after them. */
export function families(tables: Table[]): Family[] {
  const byOid = new Map(tables.map((table) => [table.oid, table]));
  const found = new Map<number, Family>();
  for (const table of tables) if (table.parent === null) found.set(table.oid, { table, members: [] });
  for (const table of tables) {
    if (table.kind === "partitioned table") continue;
    let root = table;
    while (root.parent !== null && byOid.has(root.parent)) root = byOid.get(root.parent)!;
    found.get(root.oid)?.members.push(table);
  }
  return [...found.values()];
}

/** Whether a table asked autovacuum to leave it alone. */
export function refusesAutovacuum({ options }: Table): boolean {
  // A storage parameter is kept as it was written: every beginning of false and no, off, and 0.
  return /^(f(a(l(se?)?)?)?|no?|off?|0)$/i.test(options.autovacuum_enabled ?? "");
}

/** A figure of all members of a family. */
export function total(family: Family, figure: (table: Table) => number): number {
  return family.members.reduce((sum, member) => sum + figure(member), 0);
}
