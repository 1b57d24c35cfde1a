import type pg from "pg";
import { count } from "../../terminal.ts";

/** How big a relation is: the planner's estimate, and its size with its indexes, as the catalog tells without reading it. */
export interface Size {
  relation: string;
  /** The name that was asked for is that of an index of the relation. */
  ofIndex: boolean;
  /** null: nobody has counted yet. */
  rows: number | null;
  bytes: number;
  /** pg_class.relkind. */
  kind: string;
  hasDefaultPartition: boolean;
}

/*
 * From here on a table counts as big. Up to it a scan or an index build takes a third of a second at most: 100,000 rows
 * were indexed in 0.3 s on two cores that ten other processes used as well, and a disk that reads 200 MB/s needs as
 * long for 64 MB. Beyond it the time grows with the table, and every query waits for all of it.
 */
export const bigRows = 100_000;
export const bigBytes = 64 * 1024 * 1024;

/** Whether a table is so big that a lock for the time of a scan is felt. */
export function isBig({ rows, bytes }: Size): boolean {
  return (rows ?? 0) >= bigRows || bytes >= bigBytes;
}

/** "1,200,000 rows, 230.0 MB", for a message. */
export function describeSize({ rows, bytes }: Pick<Size, "rows" | "bytes">): string {
  return `${rows === null ? "rows not counted yet" : `${count(rows)} ${rows === 1 ? "row" : "rows"}`}, ${megabytes(bytes)}`;
}

/** "0.2 MB", for a message. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

/**
 * The sizes of relations, by name; those that do not exist are left out, and an index counts as its table.
 * @param names as {@link canonical} gives them
 */
export async function readSizes(client: pg.ClientBase, names: readonly string[]): Promise<Map<string, Size>> {
  const { rows } = await client.query<Size & { name: string }>(
    `with wanted as (
       -- A name without a schema is one of public; or of another one that the migration itself has put on its path.
       select name, case when name !~ '^("[^"]*"|[^".]+)$' then to_regclass(name) else
                coalesce(to_regclass('public.' || name), (
                  select c.oid from pg_class c join pg_namespace n on n.oid = relnamespace
                  where relname = btrim(name, '"') and nspname !~ '^pg_' and nspname <> 'information_schema'
                  order by relpages desc limit 1)) end as given
       from unnest($1::text[]) name
     ), relations as (
       select name, c.oid, c.relkind, indexrelid is not null as "ofIndex",
              case when indexrelid is null then name
                   else case when nspname <> 'public' then nspname || '.' else '' end || relname end as relation
       from wanted left join pg_index on indexrelid = given
       join pg_class c on c.oid = coalesce(indrelid, given)
       join pg_namespace n on n.oid = relnamespace
     )
     select name, relation, "ofIndex", relkind as kind,
            exists (select from pg_partitioned_table where partrelid = r.oid and partdefid <> 0) as "hasDefaultPartition",
            parts.rows, parts.bytes
     from relations r, lateral (
       -- A partitioned table has nothing itself: what its partitions have counts.
       -- What VACUUM and ANALYZE have not counted yet, or when it was empty, the statistics' own count tells roughly.
       select sum(case when reltuples > 0 then reltuples
                       when reltuples = 0 then pg_stat_get_live_tuples(c.oid)
                       else nullif(pg_stat_get_live_tuples(c.oid), 0) end)::float8 as rows,
              coalesce(sum(pg_total_relation_size(c.oid)), 0)::float8 as bytes
       from pg_class c
       where c.oid = r.oid and relkind <> 'p'
          or c.oid in (select relid from pg_partition_tree(r.oid) where isleaf and r.relkind = 'p')
     ) parts`,
    [names],
  );
  return new Map(rows.map(({ name, ...size }) => [name, size]));
}
