import type pg from "pg";
import type { Bounds } from "./create.ts";
import { boundSql } from "./missing.ts";
import type { Expiry, Policy } from "./policy.ts";
import { type PartitionedTable, partitionsSql } from "./tables.ts";

/** A partition that has expired: what is to be done with it, and how far that is. */
export interface Expired extends Bounds {
  id: string;
  schema: string;
  name: string;
  action: Expiry;
  /** The OID: a table of the same name may have come since. */
  oid: string;
  archive: string | null;
}

/** Creates the journal of expired partitions. It is written before a partition is touched, so that a killed run goes on. */
export async function ensureExpired(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query("select to_regclass('deploy.expired_partition') is not null as present");
  if (rows[0].present) return;
  await client.query(`
    select pg_advisory_xact_lock(hashtextextended('create deploy.expired_partition', 0));
    create schema if not exists deploy;
    create table if not exists deploy.expired_partition (
      id bigint generated always as identity primary key,
      table_schema text not null,
      table_name text not null,
      partition_schema text not null,
      partition_name text not null,
      partition_oid oid not null,
      from_bound text not null,
      to_bound text not null,
      action text not null check (action in ('detach', 'archive', 'drop')),
      started_at timestamptz not null default now(),
      archive text,
      finished_at timestamptz,
      restored_at timestamptz
    )`);
}

/**
 * Finds the partitions whose retention is over, the oldest first; not those that were restored on purpose. One whose
 * detach was interrupted comes before all: until it has ended, no other one can be detached concurrently.
 */
export async function findExpired(
  client: pg.ClientBase,
  table: PartitionedTable,
  { retention, timeZone }: Policy,
): Promise<(Omit<Expired, "id" | "action" | "archive"> & { sql: string })[]> {
  if (retention === null) return [];
  const journal = await client.query("select to_regclass('deploy.expired_partition') is not null as present");
  const restored = journal.rows[0].present
    ? `and not exists (select from deploy.expired_partition e
         where (e.table_schema, e.table_name) = ($4, $5) and e.restored_at is not null
           and (e.partition_schema, e.partition_name) = (schema, name))`
    : "and ($4 || $5) is not null";
  const { rows } = await client.query(
    `select oid::text, schema, name, sql, ${boundSql(table, "from_at")} as "fromBound", ${boundSql(table, "to_at")} as "toBound"
     from (${partitionsSql}) as partitions
     where not is_default and isfinite(from_at) and isfinite(to_at) and relkind = 'r'
       and to_at <= now() at time zone $2 - $3::interval ${restored}
     order by detach_pending desc, from_at`,
    [table.oid, timeZone, retention, table.schema, table.name],
  );
  return rows;
}

/** What earlier runs began and did not finish. */
export async function findUnfinished(client: pg.ClientBase, table: PartitionedTable): Promise<Expired[]> {
  const { rows } = await client.query<Expired>(
    `select id::text, partition_schema as schema, partition_name as name, partition_oid::text as oid,
            from_bound as "fromBound", to_bound as "toBound", action, archive
     from deploy.expired_partition where table_schema = $1 and table_name = $2 and finished_at is null order by id`,
    [table.schema, table.name],
  );
  return rows;
}
