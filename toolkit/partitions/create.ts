import pg from "pg";
import { announceLike } from "../cache/newPartitions.ts";
import { UserError } from "../errors.ts";
import type { Missing } from "./missing.ts";
import { type Session, withinLockTimeout } from "./session.ts";
import type { PartitionedTable } from "./tables.ts";

const quoted = pg.escapeIdentifier;

/** The bounds of a partition as its parent takes them. */
export type Bounds = Pick<Missing, "fromBound" | "toBound">;

/** SQL of the bounds in ATTACH PARTITION. */
export function forValues({ fromBound, toBound }: Bounds): string {
  return `for values from (${pg.escapeLiteral(fromBound)}) to (${pg.escapeLiteral(toBound)})`;
}

/**
 * SQL that makes a table of the parent's columns, keys and indexes, to be attached, which announces its changes if the
 * parent does. Without identity: PostgreSQL 17 takes no such table, and a partition's numbers come from its parent.
 * @param sql schema and name as SQL writes them
 */
export function standalone({ sql: parent, owner }: PartitionedTable, sql: string): string {
  return `create table ${sql} (like ${parent} including all excluding identity);
    ${announceLike(parent, sql)}
    ${owner ? `alter table ${sql} owner to ${owner};` : ""}`;
}

/** A condition that holds for the rows between two bounds, and spares PostgreSQL a scan when the table is attached. @param name the value, as SQL */
export function within({ column }: PartitionedTable, { fromBound, toBound }: Bounds, name = quoted(column)): string {
  const [from, to] = [pg.escapeLiteral(fromBound), pg.escapeLiteral(toBound)];
  return `(${name} is not null and ${name} >= ${from} and ${name} < ${to})`;
}

/**
 * Makes an empty partition. Made as a table of its own and then attached, which asks for SHARE UPDATE EXCLUSIVE on the
 * parent: reads and writes go on.
 * @throws UserError when another table has its name
 */
export async function createPartition(
  session: Session,
  table: PartitionedTable,
  missing: Pick<Missing, "name"> & Bounds,
): Promise<void> {
  const sql = `${quoted(table.schema)}.${quoted(missing.name)}`;
  await refuseTaken(session.client, sql, table);
  await withinLockTimeout(session, `making the partition ${missing.name}`, () =>
    session.client.query(`
      ${standalone(table, sql)}
      alter table ${table.sql} attach partition ${sql} ${forValues(missing)}`),
  );
}

/** @throws UserError when a table of this name is there */
export async function refuseTaken(client: pg.ClientBase, sql: string, table: PartitionedTable): Promise<void> {
  const { rows } = await client.query("select to_regclass($1) is not null as taken", [sql]);
  if (rows[0].taken)
    throw new UserError(`the table ${sql} is in the way: it is no partition of ${table.sql}`, {
      fix: "Attach it, if its rows belong there, or rename it.",
    });
}

/** SQL that gives a table the parent's foreign keys: checked here, while it is nobody's, not when it is attached. */
export async function foreignKeys(client: pg.ClientBase, table: PartitionedTable, sql: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string; definition: string }>(
    `select quote_ident(conname) as name, pg_get_constraintdef(oid) as definition
     from pg_constraint where conrelid = $1 and contype = 'f' order by conname`,
    [table.oid],
  );
  return rows.flatMap(({ name, definition }) => [
    `alter table ${sql} add constraint ${name} ${definition} not valid`,
    `alter table ${sql} validate constraint ${name}`,
  ]);
}
