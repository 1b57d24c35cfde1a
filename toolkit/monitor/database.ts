import type { Queryable } from "../queryable.ts";
import { type ForeignKey, readForeignKeys } from "./foreignKeys.ts";
import { type Index, readIndexes } from "./indexes.ts";
import { type LogRead, type LogSource, readLog } from "./plans/logSource.ts";
import { readServer, type Server } from "./server.ts";
import { readTables, type Table } from "./tables.ts";
import { readWidths, type Widths } from "./widths.ts";

/**
 * A database as one snapshot sees it. What several questions need is read once, by the first that asks; where that
 * fails, each of them fails, and no other.
 */
export interface Database extends Queryable {
  server: Server;
  tables(): Promise<Table[]>;
  indexes(): Promise<Index[]>;
  foreignKeys(): Promise<ForeignKey[]>;
  /** The widths of columns, by table. */
  widths(): Promise<Map<number, Widths>>;
  /** The end of the server's log; only questions that are asked by name read it, for it costs. */
  log(): Promise<LogRead>;
}

/**
 * Looks at the database behind a session; reads nothing but what the server is.
 * @param logs where its log may be
 */
export async function lookAt(client: Queryable, logs: readonly LogSource[] = []): Promise<Database> {
  const server = await readServer(client);
  return {
    query: client.query.bind(client) as Queryable["query"],
    server,
    tables: once(() => readTables(client)),
    indexes: once(() => readIndexes(client)),
    foreignKeys: once(() => readForeignKeys(client)),
    widths: once(() => readWidths(client, server)),
    log: once(() => readLog(client, logs)),
  };
}

function once<T>(read: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= read();
    return result;
  };
}
