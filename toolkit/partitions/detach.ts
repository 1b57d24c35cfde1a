import type pg from "pg";
import { type Session, withinLockTimeout, withinLockTimeoutAlone } from "./session.ts";
import type { PartitionedTable } from "./tables.ts";

/**
 * Takes a partition from its parent. Concurrently where PostgreSQL can, which lets reads and writes go on; beside a
 * default partition it cannot, and a short lock of the parent has to do. What was interrupted is finished.
 * @see https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION
 */
export async function detachPartition(session: Session, table: PartitionedTable, partition: string): Promise<void> {
  const { client } = session;
  const name = `detaching ${partition}`;
  if ((await attachment(client, table, partition)) === "none") return;
  if (await hasDefault(client, table)) {
    await withinLockTimeout(session, name, () =>
      client.query(`alter table ${table.sql} detach partition ${partition}`),
    );
    return;
  }
  await withinLockTimeoutAlone(session, name, async () => {
    const state = await attachment(client, table, partition);
    if (state === "none") return;
    const how = state === "pending" ? "finalize" : "concurrently";
    await client.query(`alter table ${table.sql} detach partition ${partition} ${how}`);
  });
}

async function hasDefault(client: pg.ClientBase, { oid }: PartitionedTable): Promise<boolean> {
  const { rows } = await client.query("select partdefid <> 0 as so from pg_partitioned_table where partrelid = $1", [
    oid,
  ]);
  return rows[0].so;
}

/** Whether a table is a partition of the parent still, or in the middle of leaving it. */
export async function attachment(
  client: pg.ClientBase,
  table: PartitionedTable,
  partition: string,
): Promise<"attached" | "pending" | "none"> {
  const { rows } = await client.query(
    "select inhdetachpending as pending from pg_inherits where inhparent = $1 and inhrelid = to_regclass($2)",
    [table.oid, partition],
  );
  if (!rows[0]) return "none";
  return rows[0].pending ? "pending" : "attached";
}
