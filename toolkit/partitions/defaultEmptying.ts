import pg from "pg";
import { type Bounds, foreignKeys, standalone, within } from "./create.ts";
import { applyFunctions, belongs, keyOf, triggerFunction } from "./defaultChanges.ts";
import type { Needed } from "./defaultRows.ts";
import { inTransaction, type Session, withinLockTimeout } from "./session.ts";
import { columnsOf, type Partition, type PartitionedTable } from "./tables.ts";

const quoted = pg.escapeIdentifier;

/** A default partition that is being emptied: what its rows are copied to, and how changes of it get there. */
export interface Emptying {
  table: PartitionedTable;
  defaultPartition: Partition;
  phase: "logging" | "mirrored";
  /** The transaction from which on both hold the same rows in every snapshot. */
  fence: string | null;
  /** The partitions to be; the last one becomes the new default partition and takes what no other one does. */
  copies: Copy[];
}

export interface Copy {
  name: string;
  fromBound: string | null;
  toBound: string | null;
  copied: boolean;
}

/** The table in which a copy waits, in the toolkit's schema. */
export const copySql = ({ name }: Pick<Copy, "name">): string => `deploy.${quoted(name)}`;

/** What belongs to the emptying of one default partition, by its OID. */
export const namesFor = ({ oid }: Pick<Partition, "oid">) => ({
  changes: `deploy.default_changes_${oid}`,
  apply: `deploy.apply_default_change_${oid}`,
  drain: `deploy.drain_default_changes_${oid}`,
  onChange: `deploy.on_default_change_${oid}`,
});

/** Creates the journal of emptied default partitions. */
export async function ensureJournal(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query("select to_regclass('deploy.default_emptying') is not null as present");
  if (rows[0].present) return;
  await client.query(`
    create schema if not exists deploy;
    create table deploy.default_emptying (
      default_oid oid primary key,
      phase text not null check (phase in ('logging', 'mirrored')),
      fence xid8,
      columns text not null,
      copies jsonb not null
    )`);
}

/**
 * Makes the tables that the rows are copied to, and the trigger that notes every change of the default partition from
 * here on. One transaction: all of it is there, or nothing.
 */
export async function startEmptying(
  session: Session,
  table: PartitionedTable,
  defaultPartition: Partition,
  needed: Needed[],
): Promise<void> {
  const { client } = session;
  const { changes, onChange } = namesFor(defaultPartition);
  const copies: Copy[] = [
    ...needed.map(({ name, fromBound, toBound }) => ({ name, fromBound, toBound, copied: false })),
    { name: defaultPartition.name, fromBound: null, toBound: null, copied: false },
  ];
  const columns = await columnsOf(client, table.oid);
  await withinLockTimeout(session, `watching ${defaultPartition.sql}`, async () => {
    for (const copy of copies) {
      await client.query(standalone(table, copySql(copy)));
      if (copy.fromBound !== null)
        await client.query(
          `alter table ${copySql(copy)} add constraint partition_bounds check ${within(table, copy as Bounds)}`,
        );
      for (const statement of await foreignKeys(client, table, copySql(copy))) await client.query(statement);
    }
    await client.query(`
      create table ${changes} (
        seq bigint generated always as identity primary key, removed boolean not null, changed ${defaultPartition.sql}
      );
      ${applyFunctions(table, defaultPartition, copies, columns, await keyOf(client, table))}
      ${triggerFunction(defaultPartition, "logging", copies)}
      create trigger being_emptied after insert or update or delete on ${defaultPartition.sql}
        for each row execute function ${onChange}();
      create trigger being_truncated after truncate on ${defaultPartition.sql}
        for each statement execute function ${onChange}()`);
    await client.query(
      "insert into deploy.default_emptying (default_oid, phase, columns, copies) values ($1, 'logging', $2, $3)",
      [defaultPartition.oid, JSON.stringify(columns), JSON.stringify(copies)],
    );
  });
}

/** The emptying that was begun, whether by this run or by one that was killed. */
export async function findEmptying(
  client: pg.ClientBase,
  table: PartitionedTable,
  defaultPartition: Partition,
): Promise<Emptying | undefined> {
  await ensureJournal(client);
  const { rows } = await client.query(
    "select phase, fence::text, copies, columns from deploy.default_emptying where default_oid = $1",
    [defaultPartition.oid],
  );
  if (!rows[0]) return undefined;
  return { table, defaultPartition, phase: rows[0].phase, fence: rows[0].fence, copies: rows[0].copies };
}

/** Gives an emptying up: the default partition still has every row. */
export async function abandon(session: Session, { defaultPartition, copies }: Emptying): Promise<void> {
  const { client } = session;
  const { changes, apply, drain, onChange } = namesFor(defaultPartition);
  await withinLockTimeout(session, `no longer watching ${defaultPartition.sql}`, async () => {
    await client.query(`
      drop function if exists ${onChange}() cascade;
      drop function if exists ${drain}(integer);
      drop function if exists ${apply}(boolean, ${defaultPartition.sql});
      drop table if exists ${changes};
      ${copies.map((copy) => `drop table if exists ${copySql(copy)};`).join("\n")}`);
    await client.query("delete from deploy.default_emptying where default_oid = $1", [defaultPartition.oid]);
  });
}

/** Copies the rows of one partition to be, and forgets the changes that its snapshot has seen: one transaction. */
export async function copyRows(session: Session, emptying: Emptying, copy: Copy): Promise<number> {
  const { client } = session;
  const { table, defaultPartition, copies } = emptying;
  const { changes } = namesFor(defaultPartition);
  const columns = (await columnsOf(client, table.oid)).join(", ");
  const mine = (value: string) => belongs(table, copies, copy, value);
  const column = quoted(table.column);
  return inTransaction(
    client,
    async () => {
      const { rowCount } = await client.query(
        `insert into ${copySql(copy)} (${columns}) select ${columns} from ${defaultPartition.sql} where ${mine(column)}`,
      );
      await client.query(
        `delete from ${changes} where changed is distinct from null and ${mine(`(changed).${column}`)}`,
      );
      copy.copied = true;
      await client.query("update deploy.default_emptying set copies = $2 where default_oid = $1", [
        defaultPartition.oid,
        JSON.stringify(copies),
      ]);
      return rowCount ?? 0;
    },
    "begin isolation level repeatable read",
  );
}
