import type { Queryable } from "../queryable.ts";
import type { Server } from "./server.ts";

/** What analyze found of the columns of a table. */
export interface Widths {
  /** The average bytes of each column, nulls counted as none, by the column's number. */
  columns: Record<string, number> | null;
  /** Columns that analyze knows nothing of, or that this role may not see. */
  unknown: number;
  /** Whether some rows hold a null, and so a map of them. */
  nulls: boolean;
}

// The view joins what belongs together by names, and asks for the right to each column: who may read the table below it
// (a superuser, or pg_read_all_data) is spared most of the time of a snapshot.
const sources = {
  table: `
    select starelid as oid, staattnum as number, stawidth as width, stanullfrac as nulls
    from pg_statistic where not stainherit`,
  view: `
    select c.oid, a.attnum as number, s.avg_width as width, s.null_frac as nulls
    from pg_stats s
    join pg_namespace n on n.nspname = s.schemaname
    join pg_class c on c.relnamespace = n.oid and c.relname = s.tablename
    join pg_attribute a on a.attrelid = c.oid and a.attname = s.attname
    where not s.inherited and s.schemaname <> 'information_schema' and s.schemaname !~ '^pg_'`,
};

/** Reads the widths of columns, by the oid of the table. */
export async function readWidths(
  client: Queryable,
  { readsStatistics }: Pick<Server, "readsStatistics">,
): Promise<Map<number, Widths>> {
  const { rows } = await client.query<Widths & { oid: number }>(`
    select c.oid, s.columns, coalesce(s.nulls, false) as nulls,
           (c.relnatts - coalesce(d.dropped, 0) - coalesce(s.known, 0))::int as unknown
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join (select oid, json_object_agg(number, width * (1 - nulls)) as columns, count(*) as known,
                      bool_or(nulls > 0) as nulls
               from (${readsStatistics ? sources.table : sources.view}) s group by oid) s on s.oid = c.oid
    left join (select attrelid, count(*) as dropped from pg_attribute where attisdropped group by attrelid) d
      on d.attrelid = c.oid
    where c.relkind in ('r', 'm') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'`);
  return new Map(rows.map(({ oid, ...widths }) => [oid, widths]));
}
