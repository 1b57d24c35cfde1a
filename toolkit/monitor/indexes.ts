import type { Queryable } from "../queryable.ts";

/** An index, with what the statistics say of it. */
export interface Index {
  oid: number;
  /** With its schema, quoted where it has to be. */
  name: string;
  table: number;
  /** The index of the partitioned table that it is a part of. */
  parent: number | null;
  method: string;
  /** The numbers of its columns, the key's first; 0 for an expression. */
  columns: number[];
  /** How many of them are the key; the others are only included. */
  keyColumns: number;
  /** What makes two keys alike beside their columns: operator classes, collations, order, expressions. */
  keyDetails: string;
  /** The predicate of a partial index, as the catalog keeps it; empty for the whole table. */
  predicate: string;
  unique: boolean;
  primary: boolean;
  /** Whether a primary key, a unique or an exclusion constraint, or a replica identity, rests on it. */
  required: boolean;
  valid: boolean;
  /** Whether somebody is building it right now. */
  building: boolean;
  pages: number;
  rows: number;
  fillfactor: number;
  scans: number;
  pagesAsked: number;
  pagesHit: number;
}

/** Reads every index of the tables that belong to users; takes no lock on them. */
export async function readIndexes(client: Queryable): Promise<Index[]> {
  const { rows } = await client.query<Index>(`
    select i.indexrelid as oid, format('%I.%I', n.nspname, c.relname) as name, i.indrelid as "table",
           case when c.relispartition then (select inhparent from pg_inherits where inhrelid = c.oid) end as parent,
           m.amname as method, to_jsonb(i.indkey::int[]) as columns, i.indnkeyatts as "keyColumns",
           concat_ws('|', i.indclass, i.indcollation, i.indoption, i.indexprs) as "keyDetails",
           coalesce(i.indpred::text, '') as predicate, i.indisunique as unique, i.indisprimary as primary,
           i.indisprimary or i.indisexclusion or i.indisreplident
             or exists (select from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x', 'f'))
             as required,
           i.indisvalid and i.indisready as valid,
           not i.indisvalid and exists (select from pg_stat_progress_create_index p
                                        where p.index_relid = i.indexrelid
                                           or p.relid = i.indrelid and p.datname = current_database()) as building,
           c.relpages as pages, c.reltuples::float8 as rows,
           coalesce(substring(array_to_string(c.reloptions, ',') from 'fillfactor=(\\d+)')::int, 90) as fillfactor,
           pg_stat_get_numscans(c.oid)::float8 as scans,
           pg_stat_get_blocks_fetched(c.oid)::float8 as "pagesAsked", pg_stat_get_blocks_hit(c.oid)::float8 as "pagesHit"
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_am m on m.oid = c.relam
    join pg_class t on t.oid = i.indrelid
    join pg_namespace n on n.oid = t.relnamespace
    where t.relkind in ('r', 'm', 'p') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
    order by n.nspname, c.relname`);
  return rows;
}
