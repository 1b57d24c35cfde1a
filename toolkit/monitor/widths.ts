import type { Queryable } from "../queryable.ts";

/** What analyze found of the columns of a table. */
export interface Widths {
  /** The average bytes of each column, nulls counted as none, by the column's number. */
  columns: Record<string, number>;
  /** Columns that analyze knows nothing of, or that this role may not see. */
  unknown: number;
  /** Whether some rows hold a null, and so a map of them. */
  nulls: boolean;
}

/** Reads the widths of columns, by the oid of the table. */
export async function readWidths(client: Queryable): Promise<Map<number, Widths>> {
  const { rows } = await client.query<Widths & { oid: number }>(`
    select a.attrelid as oid,
           jsonb_object_agg(a.attnum, s.avg_width * (1 - s.null_frac)) filter (where s.attname is not null) as columns,
           (count(*) filter (where s.attname is null))::int as unknown,
           coalesce(bool_or(s.null_frac > 0), false) as nulls
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = a.attname
                         and not s.inherited
    where c.relkind in ('r', 'm') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
    group by a.attrelid`);
  return new Map(rows.map(({ oid, ...widths }) => [oid, widths]));
}
