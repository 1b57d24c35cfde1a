import type { Queryable } from "../queryable.ts";
import type { Database } from "./database.ts";
import type { Finding } from "./question.ts";
import { families } from "./tables.ts";

/** A foreign key without an index that finds the rows that refer to one. */
export interface BareKey {
  name: string;
  table: number;
  columns: string[];
}

/** A foreign key, with the numbers of its columns. */
export interface ForeignKey extends BareKey {
  numbers: number[];
}

/** Reads every foreign key; those of partitions are their parents'. */
export async function readForeignKeys(client: Queryable): Promise<ForeignKey[]> {
  const { rows } = await client.query<ForeignKey>(`
    select k.conname as name, k.conrelid as "table", to_jsonb(k.conkey) as numbers,
           (select jsonb_agg(a.attname order by u.n) from unnest(k.conkey) with ordinality u (attnum, n)
            join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum) as columns
    from pg_constraint k
    where k.contype = 'f' and k.conparentid = 0`);
  return rows;
}

/** Foreign keys of tables of at least so many rows whose columns begin no index. */
export async function bareKeys(database: Database, leastRows: number): Promise<BareKey[]> {
  const rowsOf = new Map(
    families(await database.tables()).map(({ table, members }) => [
      table.oid,
      members.reduce((sum, member) => sum + Math.max(member.liveRows, member.rowsThen, 0), 0),
    ]),
  );
  const usable = (await database.indexes()).filter((index) => index.valid && index.predicate === "");
  return (await database.foreignKeys())
    .filter(({ table }) => (rowsOf.get(table) ?? -1) >= leastRows)
    .filter(
      ({ table, numbers }) =>
        !usable.some((index) => {
          const start = index.columns.slice(0, Math.min(numbers.length, index.keyColumns));
          return index.table === table && numbers.every((number) => start.includes(number));
        }),
    )
    .map(({ numbers: _, ...key }) => key);
}

/** What is wrong with foreign keys, as findings: see {@link bareKeys}. */
export async function bareKeyFindings(database: Database, leastRows: number): Promise<Finding[]> {
  const tables = new Map((await database.tables()).map((table) => [table.oid, table]));
  return (await bareKeys(database, leastRows)).map(({ name, table, columns }) => {
    const { name: object, kind } = tables.get(table)!;
    const key = columns.map((column) =>
      /^[a-z_][a-z0-9_]*$/.test(column) ? column : `"${column.replaceAll('"', '""')}"`,
    );
    return {
      severity: "warning",
      object,
      what: `The foreign key ${name} of ${object} has no index on (${key.join(", ")}).`,
      why: "Each delete and each change of a key in the table it refers to scans the whole table, with the row locked.",
      fix:
        kind === "partitioned table"
          ? `create index on ${object} (${key.join(", ")}); built by a migration, partition by partition, so that writes go on.`
          : `create index concurrently on ${object} (${key.join(", ")});`,
    };
  });
}
