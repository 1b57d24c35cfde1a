import { type Connection, withClient } from "../connection.ts";
import { count } from "../terminal.ts";
import { type ConvertOptions, withDefaults } from "./options.ts";
import { refuseObstacles } from "./refusals.ts";
import { applicationName } from "./session.ts";
import { findTable, readShape } from "./shape.ts";

/** What a conversion would do. */
export interface Outlook {
  table: string;
  column: string;
  primaryKey: string[];
  leftOut: string | null;
  indexes: string[];
  foreignKeys: string[];
  /** As the statistics say. */
  rows: number;
  bytes: number;
  /** Bytes that the copy and its indexes take beside the table, about. */
  bytesNeeded: number;
}

/** Looks at a table without touching anything. @throws UserError with what speaks against converting it */
export function outlook(connection: Connection, options: ConvertOptions): Promise<Outlook> {
  const { table, column, keepId } = withDefaults(options);
  return withClient(connection, { applicationName, statementTimeout: 10_000 }, async (client) => {
    await client.query("set default_transaction_read_only to on");
    const oid = await findTable(client, table);
    await refuseObstacles(client, oid, table, "converted");
    const shape = await readShape(client, oid, column, keepId);
    const { rows } = await client.query(
      `select greatest(reltuples, 0)::float8 as rows, pg_table_size(oid)::float8 as bytes,
              pg_total_relation_size(oid)::float8 as total
       from pg_class where oid = $1`,
      [oid],
    );
    return {
      ...{ table, column, primaryKey: shape.key, leftOut: shape.leftOut ?? null },
      indexes: shape.indexes.map(({ name }) => name),
      foreignKeys: shape.foreignKeys.map(({ name }) => name),
      ...{ rows: rows[0].rows, bytes: rows[0].bytes, bytesNeeded: rows[0].total },
    };
  });
}

/** The same for people. */
export function describeOutlook(found: Outlook): string[] {
  const megabytes = (bytes: number) => `${count(Math.ceil(bytes / 1048576))} MiB`;
  return [
    `${found.table}: about ${count(found.rows)} rows, ${megabytes(found.bytes)}, by the months of ${found.column}`,
    `  primary key: ${found.primaryKey.join(", ")}`,
    ...(found.leftOut
      ? [`  left out: ${found.leftOut}, a surrogate key that nothing refers to (--keep-id keeps it)`]
      : []),
    ...(found.indexes.length > 0 ? [`  indexes: ${found.indexes.join(", ")}`] : []),
    ...(found.foreignKeys.length > 0 ? [`  foreign keys: ${found.foreignKeys.join(", ")}`] : []),
    `  needs about ${megabytes(found.bytesNeeded)} of disk until it is cleaned up`,
    "nothing was touched",
  ];
}
