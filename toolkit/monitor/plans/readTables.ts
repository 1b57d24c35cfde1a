import type { Database } from "../database.ts";
import { families } from "../tables.ts";
import type { ReadTable } from "./advice.ts";
import { type PlanNode, stepsOf } from "./steps.ts";

interface Column {
  table: number;
  number: number;
  name: string;
  quoted: string;
  isText: boolean;
}

/**
 * Finds the table that a step of a plan reads, by its name: a plan has the schema only where auto_explain.log_verbose is
 * on, and a name that several schemas have is none's.
 */
export async function readTablesOf(
  plans: readonly PlanNode[],
  database: Database,
): Promise<(node: PlanNode) => ReadTable | undefined> {
  const [tables, indexes] = [await database.tables(), await database.indexes()];
  const names = new Set(plans.flatMap((plan) => stepsOf(plan).map(({ node }) => node.relation)));
  const named = tables.filter(({ bareName }) => names.has(bareName));
  const { rows } = await database.query<Column>(
    `select a.attrelid as "table", a.attnum as number, a.attname as name, quote_ident(a.attname) as quoted,
            t.typcategory = 'S' as "isText"
     from pg_attribute a join pg_type t on t.oid = a.atttypid
     where a.attrelid = any ($1) and a.attnum > 0 and not a.attisdropped`,
    [named.map(({ oid }) => oid)],
  );
  const columnsOf = Map.groupBy(rows, ({ table }) => table);
  const roots = new Map(families(tables).flatMap(({ table, members }) => members.map(({ oid }) => [oid, table])));
  return ({ schema, relation }) => {
    const [table, ...others] = named.filter(
      (one) => one.bareName === relation && (schema ?? one.schema) === one.schema,
    );
    if (!table || others.length > 0) return undefined;
    const root = roots.get(table.oid) ?? table;
    const columns = columnsOf.get(table.oid) ?? [];
    const nameOf = (number: number) => columns.find((column) => column.number === number)?.name ?? "";
    return {
      ...{ name: root.name, partitioned: root.kind === "partitioned table" },
      columns: new Map(columns.map(({ name, quoted, isText }) => [name, { quoted, isText }])),
      indexes: indexes
        .filter((index) => index.table === table.oid && index.valid && index.predicate === "")
        .map(({ name, columns: numbers, keyColumns }) => ({ name, columns: numbers.slice(0, keyColumns).map(nameOf) })),
    };
  };
}
