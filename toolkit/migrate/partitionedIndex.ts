import { createHash } from "node:crypto";
import pg from "pg";
import { clearInvalidIndex, indexState, quoted } from "./invalidIndexes.ts";
import type { BuiltIndex } from "./render.ts";

/**
 * CREATE INDEX CONCURRENTLY on a partitioned table, which PostgreSQL refuses, carried out as its manual advises: the
 * index on the parent alone, which is invalid at first; then concurrently on one partition after the other; then each
 * attached, and with the last one the parent's index becomes valid.
 * https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
 *
 * A migration says `create index concurrently NAME on TABLE …` as for a plain table, one statement without a
 * transaction, and `drop index concurrently NAME` undoes it. The indexes of partitions have names that are made of
 * the partition's and the parent index's, so that a build that was killed is found again and goes on.
 */

/** How a statement of such a build is sent. */
export interface Send {
  /** Takes a strong lock for a moment: with the lock timeout, and again when that strikes. */
  briefly(sql: string): Promise<void>;
  /** May wait for old transactions: without a lock timeout. */
  concurrently(sql: string): Promise<void>;
  say: (line: string) => void;
  /** Milliseconds to wait for another session that builds the same index. */
  patience: number;
}

interface Partition {
  schema: string;
  name: string;
  /** It has partitions itself. */
  partitioned: boolean;
  /** The index on it that belongs to the parent's index; null where there is none yet. */
  attached: string | null;
}

// Milliseconds between two lines about how far a build is.
const tellInterval = 5_000;
// PostgreSQL cuts names after NAMEDATALEN - 1 bytes.
const longestName = 63;

/** Whether the table of an index is partitioned. */
export async function isPartitioned(client: pg.ClientBase, { schema, table }: BuiltIndex): Promise<boolean> {
  const { rows } = await client.query(
    `select from pg_class c join pg_namespace n on n.oid = relnamespace
     where nspname = $1 and relname = $2 and relkind = 'p'`,
    [schema, table],
  );
  return rows.length > 0;
}

/** Builds the index, or what is missing of it. */
export async function buildPartitionedIndex(client: pg.ClientBase, index: BuiltIndex, send: Send): Promise<void> {
  const { schema, name, table, unique, definition } = index;
  if ((await indexState(client, index)) === "absent")
    await send.briefly(
      `create ${unique ? "unique " : ""}index ${pg.escapeIdentifier(name)} ` +
        `on only ${quoted({ schema, name: table })}${definition}`,
    );
  let told = Date.now();
  // Looked at again until all are there: partitions that come meanwhile get their index with the parent's.
  for (;;) {
    const left = (await partitionsOf(client, index)).filter(({ attached }) => attached === null);
    if (left.length === 0) return;
    for (const [at, partition] of left.entries()) {
      const part = {
        ...index,
        schema: partition.schema,
        name: partIndexName(partition.name, name),
        table: partition.name,
      };
      if (partition.partitioned) await buildPartitionedIndex(client, part, send);
      else if ((await clearInvalidIndex(client, part, send.patience, send.say)) !== "valid")
        await send.concurrently(
          `create ${unique ? "unique " : ""}index concurrently ${pg.escapeIdentifier(part.name)} ` +
            `on ${quoted({ schema: part.schema, name: part.table })}${definition}`,
        );
      await send.briefly(`alter index ${quoted(index)} attach partition ${quoted(part)}`);
      if (Date.now() - told < tellInterval) continue;
      send.say(`${quoted(index)}: ${at + 1} of ${left.length} partitions`);
      told = Date.now();
    }
  }
}

/** Drops the index with all its parts, also those that a build has not attached yet. */
export async function dropPartitionedIndex(
  client: pg.ClientBase,
  index: Pick<BuiltIndex, "schema" | "name">,
  send: Send,
): Promise<void> {
  const table = await tableOf(client, index);
  if (table !== undefined)
    for (const partition of await partitionsOf(client, { ...index, table })) {
      const part = { schema: partition.schema, name: partIndexName(partition.name, index.name) };
      const state = partition.attached === null ? await indexState(client, part) : "absent";
      if (partition.partitioned && state !== "absent") await dropPartitionedIndex(client, part, send);
      else if (state !== "absent") await send.briefly(`drop index concurrently if exists ${quoted(part)}`);
    }
  // PostgreSQL drops a partitioned index at once or not at all; the lock that this takes is held for a moment.
  await send.briefly(`drop index if exists ${quoted(index)}`);
}

/** Whether an index is one of a partitioned table. */
export async function isPartitionedIndex(
  client: pg.ClientBase,
  index: Pick<BuiltIndex, "schema" | "name">,
): Promise<boolean> {
  return (await tableOf(client, index)) !== undefined;
}

/** The partitioned table of an index, in the same schema. */
async function tableOf(
  client: pg.ClientBase,
  { schema, name }: Pick<BuiltIndex, "schema" | "name">,
): Promise<string | undefined> {
  const { rows } = await client.query(
    `select t.relname as table
     from pg_class i join pg_namespace n on n.oid = i.relnamespace
     join pg_index x on x.indexrelid = i.oid join pg_class t on t.oid = x.indrelid
     where n.nspname = $1 and i.relname = $2 and i.relkind = 'I'`,
    [schema, name],
  );
  return rows[0]?.table;
}

/** The partitions of a table, but for foreign tables, which have no indexes. */
async function partitionsOf(
  client: pg.ClientBase,
  { schema, table, name }: Pick<BuiltIndex, "schema" | "table" | "name">,
): Promise<Partition[]> {
  const { rows } = await client.query(
    `select pn.nspname as schema, p.relname as name, p.relkind = 'p' as partitioned,
            (select a.relname from pg_index x join pg_class a on a.oid = x.indexrelid
             join pg_inherits ai on ai.inhrelid = a.oid join pg_class i on i.oid = ai.inhparent
             where x.indrelid = p.oid and i.relname = $3 and i.relnamespace = n.oid) as attached
     from pg_class t join pg_namespace n on n.oid = t.relnamespace
     join pg_inherits h on h.inhparent = t.oid
     join pg_class p on p.oid = h.inhrelid join pg_namespace pn on pn.oid = p.relnamespace
     where n.nspname = $1 and t.relname = $2 and p.relkind in ('r', 'p')
     order by p.relname`,
    [schema, table, name],
  );
  return rows;
}

/** The name of the index of a partition, always the same for the same two. */
export function partIndexName(partition: string, index: string): string {
  const name = `${partition}_${index}`;
  if (Buffer.byteLength(name) <= longestName) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 8);
  let start = name;
  while (Buffer.byteLength(start) > longestName - hash.length - 1) start = start.slice(0, -1);
  return `${start}_${hash}`;
}
