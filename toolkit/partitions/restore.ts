import pg from "pg";
import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import { parentOf, readArchive, readManifest } from "./archive.ts";
import { foreignKeys, forValues, refuseTaken, standalone, within } from "./create.ts";
import { ensureExpired } from "./expired.ts";
import { inTransaction, type PartitionOptions, withinLockTimeout, withSession } from "./session.ts";
import { chooseTables, columnsOf } from "./tables.ts";

/**
 * Brings an archived partition back, checked row by row, and attaches it. Retention leaves it alone from then on.
 * @param path the manifest
 * @returns the partition and its number of rows
 * @throws UserError when the archive is damaged, or does not fit the table
 */
export async function restorePartition(
  connection: Connection,
  path: string,
  options: PartitionOptions = {},
): Promise<{ table: string; partition: string; rows: number }> {
  const { manifest, archive } = await readManifest(path);
  return withSession(connection, options, async (session) => {
    const { client, say } = session;
    const table = (await chooseTables(client, parentOf(manifest).sql))[0]!;
    const known = await columnsOf(client, table.oid);
    const lost = manifest.columns.filter((column) => !known.includes(column));
    const sql = `${pg.escapeIdentifier(table.schema)}.${pg.escapeIdentifier(manifest.partition)}`;
    const waiting = `deploy.${pg.escapeIdentifier(manifest.partition)}`;
    if (lost.length > 0)
      throw new UserError(`${table.sql} has no column ${lost.join(", ")} any more`, {
        why: "The archive has values for it, which would be lost.",
        fix: "Add the column for the time of the restore.",
      });
    await refuseTaken(client, sql, table);
    await ensureExpired(client);
    // What a killed restore left; only whole ones are attached.
    await inTransaction(client, async () => {
      await client.query(`drop table if exists ${waiting}`);
      await client.query(standalone(table, waiting));
      await readArchive(client, waiting, archive, manifest);
      await client.query(`alter table ${waiting} add constraint partition_bounds check ${within(table, manifest)}`);
    });
    await withinLockTimeout(session, `checking ${waiting}`, async () => {
      for (const statement of await foreignKeys(client, table, waiting)) await client.query(statement);
    });
    await withinLockTimeout(session, `attaching ${sql}`, async () => {
      await client.query(`
        alter table ${waiting} set schema ${pg.escapeIdentifier(table.schema)};
        alter table ${table.sql} attach partition ${sql} ${forValues(manifest)};
        alter table ${sql} drop constraint partition_bounds`);
      await client.query(
        `update deploy.expired_partition set restored_at = now()
         where (table_schema, table_name, partition_name) = ($1, $2, $3) and finished_at is not null`,
        [table.schema, table.name, manifest.partition],
      );
    });
    say(`${table.sql}: restored ${manifest.partition} with ${manifest.rows} rows`);
    return { table: table.sql, partition: manifest.partition, rows: manifest.rows };
  });
}
