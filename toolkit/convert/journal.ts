import type pg from "pg";
import { who } from "../migrate/journal.ts";
import type { Shape } from "./shape.ts";

/**
 * How far a conversion is. copying: rows are copied, changes logged. mirrored: everything is copied and changes are made
 * in both tables. swapped: the partitioned table is in use, changes are made in the plain one too. reverted: as mirrored,
 * after the way back.
 */
export type Phase = "copying" | "mirrored" | "swapped" | "reverted";

/** A conversion: a row of deploy.partitioning, always changed in the transaction that makes it true. */
export interface Conversion {
  table: string;
  column: string;
  phase: Phase;
  shape: Shape;
  /** OIDs of the plain and of the partitioned table. */
  plain: string;
  partitioned: string;
  /** What the columns of the plain table were when it began. */
  columnsDigest: string;
  /** The file of the plain table whose blocks are copied, up to `nextBlock` of `endBlock`. */
  fileNode: string;
  nextBlock: number;
  endBlock: number;
  rowsCopied: number;
  /** Rows of the comparison that found both tables the same; null before. */
  rowsVerified: number | null;
  /** A transaction that ended after the last row was copied. */
  fence: string | null;
  /** Whether the recorded schema was the true one before the tables were exchanged; null when that is settled. */
  recordSchema: boolean | null;
  startedAt: Date;
  swappedAt: Date | null;
  keepUntil: Date | null;
}

/** Creates the journal where it is missing. Looked up first: CREATE … IF NOT EXISTS asks for rights it may not need. */
export async function ensureJournal(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query("select to_regclass('deploy.partitioning') is not null as present");
  if (rows[0].present) return;
  await client.query(`
    select pg_advisory_xact_lock(hashtextextended('create deploy.partitioning', 0));
    create schema if not exists deploy;
    create table if not exists deploy.partitioning (
      table_name text primary key,
      column_name text not null,
      phase text not null check (phase in ('copying', 'mirrored', 'swapped', 'reverted')),
      shape jsonb not null,
      plain oid not null,
      partitioned oid not null,
      columns_digest text not null,
      file_node oid not null,
      next_block bigint not null default 0,
      end_block bigint not null,
      rows_copied bigint not null default 0,
      rows_verified bigint,
      fence xid8,
      record_schema boolean,
      started_at timestamptz not null default now(),
      started_by text not null,
      updated_at timestamptz not null default now(),
      swapped_at timestamptz,
      keep_until timestamptz
    )`);
}

/** The conversion of a table by its bare name, if one has begun and is not cleaned up. */
export async function findConversion(client: pg.ClientBase, table: string): Promise<Conversion | undefined> {
  const { rows: found } = await client.query("select to_regclass('deploy.partitioning') is not null as present");
  if (!found[0].present) return undefined;
  const { rows } = await client.query(
    `select table_name as table, column_name as column, phase, shape, plain::text, partitioned::text,
            columns_digest as "columnsDigest", file_node::text as "fileNode", next_block::float8 as "nextBlock",
            end_block::float8 as "endBlock", rows_copied::float8 as "rowsCopied", rows_verified::float8 as "rowsVerified",
            fence::text, record_schema as "recordSchema", started_at as "startedAt", swapped_at as "swappedAt",
            keep_until as "keepUntil"
     from deploy.partitioning where table_name = $1`,
    [table],
  );
  return rows[0];
}

/** A conversion whose way back is not open any more, and the plain table of which is kept still. */
export interface ExpiredConversion {
  /** The partitioned table, as SQL names it. */
  table: string;
  keepUntil: Date;
  /** Of the plain table with its indexes. */
  bytes: number;
}

/** The conversions that nothing is kept for any more. */
export async function expiredConversions(client: pg.ClientBase): Promise<ExpiredConversion[]> {
  const { rows: found } = await client.query("select to_regclass('deploy.partitioning') is not null as present");
  if (!found[0].present) return [];
  const { rows } = await client.query(
    `select partitioned::regclass::text as table, keep_until as "keepUntil",
            coalesce(pg_total_relation_size(plain), 0)::float8 as bytes
     from deploy.partitioning join pg_class c on c.oid = partitioned
     where phase = 'swapped' and keep_until < now() order by keep_until`,
  );
  return rows;
}

/** Begins a conversion, in the transaction that makes its triggers. */
export async function startConversion(
  client: pg.ClientBase,
  shape: Shape,
  column: string,
  partitioned: string,
): Promise<void> {
  await client.query(
    `insert into deploy.partitioning
       (table_name, column_name, phase, shape, plain, partitioned, columns_digest, file_node, end_block, started_by)
     values ($1, $2, 'copying', $3, $4, $5::regclass, ${columnsDigest("$4::oid")}, pg_relation_filenode($4::oid),
             ${blocks("$4::oid")}, $6)`,
    [shape.baseName, column, JSON.stringify(shape), shape.oid, partitioned, who()],
  );
}

/** SQL for the number of blocks of a table. */
export function blocks(oid: string): string {
  return `pg_relation_size(${oid}) / current_setting('block_size')::int`;
}

/** SQL for what a table's columns are, as one value. */
export function columnsDigest(oid: string): string {
  return `(select md5(string_agg(concat_ws(' ', attnum, attname, atttypid, atttypmod, attnotnull, attisdropped), ','
                                 order by attnum))
           from pg_attribute where attrelid = ${oid} and attnum > 0)`;
}
