import { pipeline } from "node:stream/promises";
import pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { type Connection, connect } from "../connection.ts";
import { messageOf } from "../errors.ts";
import { startScratchServer } from "../migrate/locks/scratchServer.ts";
import { progress } from "../terminal.ts";
import type { Table } from "./catalog.ts";

/** A copy of some tables, with a sample of their rows, on a server of its own. */
export interface Copy {
  /** Its superuser. */
  client: pg.Client;
  connection: Connection;
  /** How many rows of each table were copied, by the table's name. */
  rows: Map<string, number>;
  /** What could not be copied, each a sentence. */
  notes: string[];
  stop(): Promise<void>;
}

// Settings that decide plans, or how values are read, and that a session may set: the copy plans as the server does.
const likeTheServer = `
  select name, setting || case when unit in ('8kB', 'kB', 'MB', 'ms') and name <> 'geqo_threshold' then
    case unit when '8kB' then '' else unit end else '' end as value
  from pg_settings
  where (category like 'Query Tuning%' or name in ('work_mem', 'hash_mem_multiplier', 'max_parallel_workers_per_gather',
         'TimeZone', 'DateStyle', 'IntervalStyle', 'search_path')) and context = 'user' and name <> 'plan_cache_mode'`;

/**
 * Copies tables to a scratch server: their columns, indexes and partitions, and up to `limit` rows of each, whole where
 * they have no more, otherwise a sample of their pages. Foreign keys, triggers and defaults stay behind. The database
 * is only read.
 * @param live a session in it
 */
export async function copySample(live: pg.Client, tables: readonly Table[], limit: number): Promise<Copy> {
  const server = await startScratchServer();
  let client: pg.Client | undefined;
  const stop = async () => {
    await client?.end().catch(() => {});
    await server.stop();
  };
  try {
    const connection = { ...server.connection, database: "sample" };
    await createDatabase(server.connection, live);
    client = await connect(connection, { applicationName: "advise" });
    const copy: Copy = { client, connection, rows: new Map(), notes: [], stop };
    await takeSettings(live, copy);
    await client.end();
    copy.client = client = await connect(connection, { applicationName: "advise" });
    for (const { text, what } of schemaOf(tables, await enumsOf(live, tables)))
      await client.query(text).catch((error) => copy.notes.push(`${what} is not on the copy: ${messageOf(error)}`));
    const filled = tables.filter(({ kind }) => kind !== "v");
    const bar = progress({ title: "copying a sample", total: filled.length });
    for (const [at, table] of filled.entries()) {
      bar.update(at, table.name);
      copy.rows.set(table.name, await copyRows(live, client, table, limit));
      for (const index of table.indexes)
        await client
          .query(index.definition.replace(" ON ONLY ", " ON "))
          .catch((error) => copy.notes.push(`index ${index.name} is not on the copy: ${messageOf(error)}`));
    }
    bar.update(filled.length, "");
    bar.stop();
    await client.query("vacuum (analyze)");
    return copy;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** With the collation of the live database where this machine has it: it decides which index can sort. */
async function createDatabase(server: Connection, live: pg.Client): Promise<void> {
  const { rows } = await live.query(
    "select datcollate as collate, datctype as ctype from pg_database where datname = current_database()",
  );
  const admin = await connect(server, { applicationName: "advise" });
  const create = (collation: string) =>
    admin.query(`create database sample template template0 encoding 'UTF8' ${collation}`);
  try {
    const { collate, ctype } = rows[0];
    await create(`lc_collate ${pg.escapeLiteral(collate)} lc_ctype ${pg.escapeLiteral(ctype)}`).catch(() =>
      create("lc_collate 'C' lc_ctype 'C'"),
    );
  } finally {
    await admin.end();
  }
}

async function takeSettings(live: pg.Client, { client }: Copy): Promise<void> {
  const { rows } = await live.query<{ name: string; value: string }>(likeTheServer);
  for (const { name, value } of rows) {
    const text = name === "search_path" ? value : pg.escapeLiteral(value);
    // One that this version does not know changes nothing here.
    await client.query(`alter database sample set ${pg.escapeIdentifier(name)} = ${text || "''"}`).catch(() => {});
  }
  // Vacuum marks no page as visible to all whose rows were committed and not written yet; then an index-only scan would
  // read the table all the same.
  await client.query("alter database sample set synchronous_commit = on");
}

async function enumsOf(live: pg.Client, tables: readonly Table[]): Promise<{ name: string; labels: string[] }[]> {
  const { rows } = await live.query(
    `select format('%I.%I', n.nspname, t.typname) as name, json_agg(e.enumlabel order by e.enumsortorder) as labels
     from pg_type t join pg_enum e on e.enumtypid = t.oid join pg_namespace n on n.oid = t.typnamespace
     where t.oid in (select coalesce(nullif(ct.typelem, 0), ct.oid) from pg_attribute a join pg_type ct on ct.oid = a.atttypid
                     where a.attrelid = any ($1::oid[]) and a.attnum > 0)
     group by 1`,
    [tables.map(({ oid }) => oid)],
  );
  return rows;
}

function schemaOf(tables: readonly Table[], enums: { name: string; labels: string[] }[]) {
  const schemas = new Set([
    ...tables.map(({ schema }) => pg.escapeIdentifier(schema)),
    ...tables.flatMap(({ partitions }) => partitions.map(({ name }) => name.slice(0, name.lastIndexOf(".")))),
    ...enums.map(({ name }) => name.slice(0, name.lastIndexOf("."))),
  ]);
  return [
    ...[...schemas].map((name) => ({ text: `create schema if not exists ${name}`, what: `schema ${name}` })),
    ...enums.map(({ name, labels }) => ({
      text: `create type ${name} as enum (${labels.map(pg.escapeLiteral).join(", ")})`,
      what: `type ${name}`,
    })),
    ...tables
      .filter(({ kind }) => kind !== "v")
      .flatMap((table) => [
        { text: createTable(table), what: `table ${table.name}` },
        ...table.partitions.map(({ name, parent, bound, key }) => ({
          text: `create table ${name} partition of ${parent} ${bound}${key ? ` partition by ${key}` : ""}`,
          what: `partition ${name}`,
        })),
      ]),
    // In the order in which they were made: a view may read another.
    ...tables
      .filter(({ kind }) => kind === "v")
      .sort((a, b) => a.oid - b.oid)
      .map(({ name, definition }) => ({ text: `create view ${name} as ${definition}`, what: `view ${name}` })),
  ];
}

function createTable({ name, columns, partitionKey }: Table): string {
  const lines = columns.map((column) => {
    const generated = column.generated ? ` generated always as (${column.generated}) stored` : "";
    return `${pg.escapeIdentifier(column.name)} ${column.type}${generated}${column.notNull ? " not null" : ""}`;
  });
  return `create table ${name} (${lines.join(", ")})${partitionKey ? ` partition by ${partitionKey}` : ""}`;
}

/** @returns how many rows were copied */
async function copyRows(live: pg.Client, client: pg.Client, table: Table, limit: number): Promise<number> {
  const columns = copiedColumns(table);
  const percent = table.rows > limit ? (100 * limit) / table.rows : 100;
  // Repeatable, so that a second run measures the same rows.
  const sample = percent < 100 ? ` tablesample system (${percent.toFixed(6)}) repeatable (1)` : "";
  const target = client.query(copyFrom(`copy ${table.name} (${columns}) from stdin`));
  await pipeline(live.query(copyTo(`copy (select ${columns} from ${table.name}${sample}) to stdout`)), target);
  return target.rowCount;
}

/** The columns that can be written. */
export function copiedColumns({ columns }: Table): string {
  return columns
    .filter(({ generated }) => !generated)
    .map(({ name }) => pg.escapeIdentifier(name))
    .join(", ");
}

/**
 * Takes three quarters of the rows out of the tables that were sampled or are big: the second, smaller size at which
 * statements are measured.
 * @returns the share of the rows that stayed, of the table that lost most
 */
export async function shrink({ client, rows }: Copy): Promise<number> {
  const least = 1_000;
  const big = [...rows].filter(([, count]) => count > least).map(([name]) => name);
  for (const name of big)
    await client.query(`delete from ${name} where hashtextextended(tableoid::text || ctid::text, 0) % 4 <> 0`);
  // Full, for the pages of the rows that went would be read as well.
  for (const name of big) await client.query(`vacuum (full, analyze) ${name}`);
  return big.length > 0 ? 1 / 4 : 1;
}
