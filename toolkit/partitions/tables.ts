import type pg from "pg";
import { UserError } from "../errors.ts";

/** A table that is partitioned by a range of one column of a date or a time. */
export interface PartitionedTable {
  oid: string;
  schema: string;
  name: string;
  /** Schema and name as SQL writes them. */
  sql: string;
  /** The column, by its bare name. */
  column: string;
  type: "date" | "timestamp without time zone" | "timestamp with time zone";
  /** The role that owns it, as SQL writes it, where that is not ours. */
  owner: string | null;
}

/** A partition. Bounds are local times of the policy's time zone, as `2024-05-01 00:00:00`, or an infinity. */
export interface Partition {
  oid: string;
  schema: string;
  name: string;
  sql: string;
  from: string;
  to: string;
  isDefault: boolean;
  /** A detach was interrupted: queries through the parent no longer see it. */
  detachPending: boolean;
  /** Size with indexes, in bytes. */
  bytes: number;
  /** The planner's estimate; -1 where it was never analysed. */
  rows: number;
}

/** Finds all such tables of the database. */
export async function findTables(client: pg.ClientBase): Promise<PartitionedTable[]> {
  const { rows } = await client.query<PartitionedTable>(
    `select c.oid::text, nspname as schema, relname as name, format('%I.%I', nspname, relname) as sql,
            attname as column, format_type(atttypid, null) as type,
            nullif(relowner::regrole, current_user::regrole)::text as owner
     from pg_partitioned_table p
     join pg_class c on c.oid = partrelid
     join pg_namespace n on n.oid = relnamespace
     join pg_attribute a on attrelid = c.oid and attnum = partattrs[0]
     where partstrat = 'r' and partnatts = 1 and nspname not in ('deploy', 'monitoring')
       and atttypid in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
     order by nspname, relname`,
  );
  return rows;
}

/**
 * Finds one of them, or all where none is named.
 * @param name as SQL writes it, with or without its schema
 * @throws UserError when there is none, or when it is of another kind
 */
export async function chooseTables(client: pg.ClientBase, name?: string): Promise<PartitionedTable[]> {
  const tables = await findTables(client);
  if (name === undefined) return tables;
  const { rows } = await client
    .query<{ oid: string | null }>("select to_regclass($1)::oid::text as oid", [name])
    .catch(() => ({ rows: [] }));
  const oid = rows[0]?.oid;
  if (!oid)
    throw new UserError(`there is no table ${name}`, {
      fix: "Correct its name; add its schema where that is not on the search path.",
      exitCode: 2,
    });
  const found = tables.filter((table) => table.oid === oid);
  if (found.length === 0)
    throw new UserError(`${name} is not partitioned by a range of one date or time`, {
      why: "Only such partitions can be made ahead and expire.",
      fix: `A plain table is converted by: toolkit partition ${name}.`,
      exitCode: 2,
    });
  return found;
}

/**
 * SQL of a table's partitions. $1 is its OID, $2 the time zone in which days begin for a column with a time zone.
 * The bounds are printed with their offset, so that the time zone of the session does not matter.
 */
export const partitionsSql = `
  select c.oid, nspname as schema, relname as name, format('%I.%I', nspname, relname) as sql,
         bound = 'DEFAULT' as is_default, inhdetachpending as detach_pending, relkind, greatest(reltuples, -1) as rows,
         case when timed then from_text::timestamptz at time zone $2 else from_text::timestamp end as from_at,
         case when timed then to_text::timestamptz at time zone $2 else to_text::timestamp end as to_at
  from pg_inherits
  join pg_class c on c.oid = inhrelid
  join pg_namespace n on n.oid = relnamespace
  join pg_partitioned_table p on partrelid = inhparent
  join pg_attribute a on attrelid = inhparent and attnum = partattrs[0]
  cross join lateral pg_get_expr(relpartbound, c.oid) as bound
  cross join lateral (
    select atttypid = 'timestamptz'::regtype as timed,
           coalesce(substring(bound from 'FROM [(]''([^'']+)'), '-infinity') as from_text,
           coalesce(substring(bound from 'TO [(]''([^'']+)'), 'infinity') as to_text) as parsed
  where inhparent = $1::oid`;

/** The partitions of a table, in their order; the default partition comes last. */
export async function readPartitions(client: pg.ClientBase, oid: string, timeZone: string): Promise<Partition[]> {
  const { rows } = await client.query<Partition>(
    `select oid::text, schema, name, sql, from_at::text as from, to_at::text as to, is_default as "isDefault",
            detach_pending as "detachPending", rows::float8,
            (select coalesce(sum(pg_total_relation_size(relid)), 0) from pg_partition_tree(oid))::float8 as bytes
     from (${partitionsSql}) as partitions order by is_default, from_at`,
    [oid, timeZone],
  );
  return rows;
}

/** The columns that a row is copied by: not generated ones, which follow. */
export async function columnsOf(client: pg.ClientBase, oid: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select quote_ident(attname) as name from pg_attribute
     where attrelid = $1 and attnum > 0 and not attisdropped and attgenerated = '' order by attnum`,
    [oid],
  );
  return rows.map(({ name }) => name);
}
