import type { Queryable } from "../queryable.ts";

export interface Column {
  name: string;
  /** As PostgreSQL writes it; a domain by the type below it. */
  type: string;
  notNull: boolean;
  /** The expression of a stored generated column. */
  generated: string | null;
  /** Distinct values: a number, or negative for a share of the rows, as pg_stats has it. */
  distinct: number;
  /** How far the rows lie in this column's order, -1 to 1. */
  correlation: number;
  /** A value that stands for the others: the most common, or the middle of the histogram. */
  sample: string | null;
}

export interface Table {
  oid: number;
  schema: string;
  relname: string;
  /** With its schema, quoted where it has to be. */
  name: string;
  kind: "r" | "p" | "m" | "v";
  rows: number;
  bytes: number;
  columns: Column[];
  /** The query of a view. */
  definition: string | null;
  /** How a partitioned table is partitioned. */
  partitionKey: string | null;
  /** Its partitions, those of partitions as well, parents first. */
  partitions: { name: string; relname: string; parent: string; bound: string; key: string | null }[];
  /** The definitions of its indexes. */
  indexes: { name: string; definition: string; required: boolean; unique: boolean; bytes: number }[];
}

/**
 * Reads the tables and views of some names, as the search path finds them; names that are none of them are left out.
 * @param names as a statement writes them, quoted where they have to be
 */
export async function readTables(client: Queryable, names: readonly string[]): Promise<Map<string, Table>> {
  const { rows } = await client.query<Table & { asked: string }>(
    `select asked, c.oid::int8::float8 as oid, n.nspname as schema, c.relname, format('%I.%I', n.nspname, c.relname) as name,
            c.relkind as kind, l.rows, l.bytes,
            case when c.relkind = 'v' then pg_get_viewdef(c.oid) end as definition,
            case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end as "partitionKey",
            (select coalesce(json_agg(json_build_object(
               'name', format('%I.%I', pn.nspname, p.relname), 'relname', p.relname, 'parent', format('%I.%I', mn.nspname, m.relname),
               'bound', pg_get_expr(p.relpartbound, p.oid), 'key', case when p.relkind = 'p' then pg_get_partkeydef(p.oid) end)
               order by t.level, p.oid), '[]')
             from pg_partition_tree(c.oid) t join pg_class p on p.oid = t.relid join pg_namespace pn on pn.oid = p.relnamespace
             join pg_class m on m.oid = t.parentrelid join pg_namespace mn on mn.oid = m.relnamespace
             where t.level > 0 and p.relkind <> 'f' and c.relkind = 'p') as partitions,
            (select coalesce(json_agg(json_build_object(
               'name', format('%I.%I', n.nspname, x.relname), 'definition', pg_get_indexdef(x.oid), 'unique', i.indisunique,
               'bytes', pg_relation_size(x.oid)
                 + (select coalesce(sum(pg_relation_size(t.relid)), 0) from pg_partition_tree(x.oid) t where t.relid <> x.oid),
               'required', i.indisprimary or i.indisexclusion or i.indisreplident
                 or exists (select from pg_constraint k where k.conindid = x.oid)) order by x.relname), '[]')
             from pg_index i join pg_class x on x.oid = i.indexrelid where i.indrelid = c.oid and i.indisvalid) as indexes,
            (select json_agg(json_build_object(
               'name', a.attname, 'type', format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid),
                 case when t.typbasetype <> 0 then t.typtypmod else a.atttypmod end), 'notNull', a.attnotnull,
               'generated', case when a.attgenerated = 's' then pg_get_expr(d.adbin, d.adrelid) end,
               'distinct', coalesce(s.n_distinct, -0.1), 'correlation', coalesce(s.correlation, 0),
               'sample', coalesce((s.most_common_vals::text::text[])[1],
                 (s.histogram_bounds::text::text[])[(array_length(s.histogram_bounds::text::text[], 1) + 1) / 2]))
               order by a.attnum)
             from pg_attribute a join pg_type t on t.oid = a.atttypid
             left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
             left join lateral (select * from pg_stats s where s.schemaname = n.nspname and s.tablename = c.relname
                                and s.attname = a.attname order by s.inherited desc limit 1) s on true
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
     from unnest($1::text[]) as asked join pg_class c on c.oid = to_regclass(asked)
     join pg_namespace n on n.oid = c.relnamespace
     cross join lateral (select coalesce(sum(greatest(p.reltuples, 0)), 0)::float8 as rows,
                                coalesce(sum(pg_relation_size(p.oid)), 0)::float8 as bytes
                         from pg_class p where p.relkind in ('r', 'm')
                         and (p.oid = c.oid or p.oid in (select relid from pg_partition_tree(c.oid)))) l
     where c.relkind in ('r', 'p', 'm', 'v') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'`,
    [names],
  );
  return new Map(rows.map(({ asked, ...table }) => [asked, table]));
}

/** How many distinct values a column has. */
export function distinctValues({ distinct }: Column, rows: number): number {
  return distinct < 0 ? -distinct * rows : distinct;
}
