import type { Queryable } from "../queryable.ts";
import { type Index, readIndexes } from "./indexes.ts";
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
  /** The widths of columns, by table. */
  widths(): Promise<Map<number, Widths>>;
}

/** Looks at the database behind a session; reads nothing but what the server is. */
export async function lookAt(client: Queryable): Promise<Database> {
  return {
    query: client.query.bind(client) as Queryable["query"],
    server: await readServer(client),
    tables: once(() => readTables(client)),
    indexes: once(() => readIndexes(client)),
    widths: once(() => readWidths(client)),
  };
}

function once<T>(read: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= read();
    return result;
  };
}
