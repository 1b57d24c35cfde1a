import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { UserError } from "../errors.ts";

/** An index by name, in the schema of its table. */
export interface IndexName {
  schema: string;
  name: string;
}

/** "incomplete": the index of a partitioned table that lacks those of some partitions. */
export type IndexState = "absent" | "valid" | "invalid" | "building" | "incomplete";

// A build that a killed client left running is looked at this often.
const pollInterval = 1_000;

/** What there is under the name of an index that is built concurrently. */
export async function indexState(client: pg.ClientBase, { schema, name }: IndexName): Promise<IndexState> {
  const { rows } = await client.query(
    `select indisvalid as valid, relkind = 'I' as partitioned,
            exists (select from pg_stat_progress_create_index p
                    where p.index_relid = x.indexrelid and p.datname = current_database()) as building
     from pg_index x join pg_class c on c.oid = indexrelid join pg_namespace n on n.oid = relnamespace
     where nspname = $1 and relname = $2 and relkind in ('i', 'I')`,
    [schema, name],
  );
  if (!rows[0]) return "absent";
  if (rows[0].valid) return "valid";
  if (rows[0].partitioned) return "incomplete";
  return rows[0].building ? "building" : "invalid";
}

/**
 * Drops the invalid index that a killed or failed build left under a name, so that it can be built again: `create index
 * concurrently if not exists` would take it for done. A build that still runs is waited for.
 * @param patience milliseconds to wait for such a build
 * @returns what there is under the name in the end; an incomplete index of a partitioned table is left, to be completed
 * @throws UserError when the other build does not end in time
 */
export async function clearInvalidIndex(
  client: pg.ClientBase,
  index: IndexName,
  patience: number,
  say: (line: string) => void,
): Promise<"valid" | "absent" | "incomplete"> {
  const started = Date.now();
  for (let told = false; ; told = true) {
    const state = await indexState(client, index);
    if (state !== "invalid" && state !== "building") return state;
    if (state === "invalid") {
      say(`dropping the index ${quoted(index)}, which an interrupted build left invalid`);
      await client.query(`drop index concurrently if exists ${quoted(index)}`);
      return "absent";
    }
    if (Date.now() - started >= patience)
      throw new UserError(`another session still builds the index ${quoted(index)}`, {
        fix: "Wait until it has finished (pg_stat_progress_create_index shows it), then run `up` again.",
      });
    if (!told) say(`another session builds the index ${quoted(index)}: waiting for it`);
    await sleep(pollInterval);
  }
}

/** Whether an index is one of a partition. */
export async function isOfPartition(client: pg.ClientBase, { schema, name }: IndexName): Promise<boolean> {
  const { rows } = await client.query(
    `select t.relispartition as "isPartition"
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     join pg_index x on x.indexrelid = c.oid join pg_class t on t.oid = x.indrelid
     where nspname = $1 and c.relname = $2`,
    [schema, name],
  );
  return rows[0]?.isPartition ?? false;
}

/** Every index that is invalid and that nobody builds now, qualified and quoted. */
export async function invalidIndexes(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query(
    `select nspname as schema, relname as name
     from pg_index x join pg_class c on c.oid = indexrelid join pg_namespace n on n.oid = relnamespace
     where not indisvalid and relkind = 'i' and nspname !~ '^pg_(toast|temp)'
       and not exists (select from pg_stat_progress_create_index p
                       where p.index_relid = x.indexrelid and p.datname = current_database())
     order by 1, 2`,
  );
  return rows.map(quoted);
}

/** An index's name for a statement. */
export function quoted({ schema, name }: IndexName): string {
  return `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`;
}
