import type { Table } from "./catalog.ts";

/** An index that another one makes superfluous. */
export interface Redundant {
  /** With its schema, quoted where it has to be. */
  table: string;
  name: string;
  definition: string;
  bytes: number;
  /** The index that serves for it. */
  by: string;
}

interface Shape {
  name: string;
  method: string;
  columns: string;
  /** The condition of a partial index, what is included, and options. */
  rest: string;
}

function shapeOf(name: string, definition: string): Shape | undefined {
  const found = /\bUSING (\w+) \((.*?)\)((?: INCLUDE| WITH| WHERE| NULLS| TABLESPACE).*)?$/s.exec(definition);
  return found ? { name, method: found[1]!, columns: found[2]!, rest: found[3] ?? "" } : undefined;
}

/**
 * The indexes of tables that neither a constraint nor uniqueness needs, and whose key is that of another index or how
 * it begins. https://www.postgresql.org/docs/current/indexes-multicolumn.html
 * @param added definitions of indexes that are about to be made, as pg_get_indexdef writes them, by table
 */
export function redundantIndexes(
  tables: readonly Table[],
  added: readonly { table: string; name: string; definition: string }[],
): Redundant[] {
  return tables.flatMap((table) => {
    const gone = new Set<string>();
    const others = [...table.indexes, ...added.filter((each) => each.table === table.name)];
    return table.indexes.flatMap((index): Redundant[] => {
      const shape = shapeOf(index.name, index.definition);
      if (!shape || index.required || index.unique) return [];
      const by = others.find(({ name, definition }) => {
        if (name === index.name || gone.has(name)) return false;
        const other = shapeOf(name, definition);
        if (!other || other.method !== shape.method || other.rest !== shape.rest) return false;
        const begins = shape.method === "btree" && other.columns.startsWith(`${shape.columns}, `);
        return other.columns === shape.columns || begins;
      });
      if (!by) return [];
      gone.add(index.name);
      const { name, definition, bytes } = index;
      return [{ table: table.name, name, definition, bytes, by: by.name }];
    });
  });
}
