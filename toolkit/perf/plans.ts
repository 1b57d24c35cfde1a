import pg from "pg";
import type { Expectation } from "../queries/query.ts";
import type { Read } from "./session.ts";

/** How the planner treats the values of a prepared statement: known, or left open as after several executions. */
export const planModes = ["force_custom_plan", "force_generic_plan"] as const;

/** What the plan of a statement read, by what was really carried out. */
export interface PlanRead {
  /** Indexes; of a partitioned table, the index of the parent. */
  indexes: string[];
  /** The most partitions of one table. */
  partitions: number;
  /** Pages that were touched, in shared buffers or not. */
  buffers: number;
  /** Tables of more than a hundred blocks that were read from end to end. */
  scanned: string[];
  /** Whether a sort, a hash or anything else was written to disk. */
  onDisk: boolean;
}

interface Node {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Actual Loops": number;
  "Sort Space Type"?: string;
  "Temp Written Blocks": number;
  "Shared Hit Blocks": number;
  "Shared Read Blocks": number;
  Plans?: Node[];
}

const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];
const largeBlocks = 100;

/** Carries out a statement that reads, by EXPLAIN ANALYZE, and tells what it read. */
export async function readPlan(
  read: Read,
  { text, values }: { text: string; values: readonly unknown[] },
  mode: (typeof planModes)[number],
): Promise<PlanRead> {
  const root = await read((client) => explain(client, text, values, mode));
  const executed = nodesOf(root).filter((node) => node["Actual Loops"] > 0);
  const names = (key: "Index Name" | "Relation Name", nodes = executed) => [
    ...new Set(nodes.flatMap((node) => node[key] ?? [])),
  ];
  const { rows } = await read((client) =>
    client.query<Pick<PlanRead, "indexes" | "partitions" | "scanned">>(
      `select array(select distinct root.relname::text
                  from pg_class c join pg_class root on root.oid = coalesce(pg_partition_root(c.oid), c.oid)
                  where c.relname = any ($1::text[]) and c.relkind in ('i', 'I') order by 1) as indexes,
            (select coalesce(max(number), 0)::int
             from (select count(*) as number from pg_inherits join pg_class c on c.oid = inhrelid
                   where c.relname = any ($2::text[]) and c.relkind = 'r' group by inhparent) as counted) as partitions,
            array(select relname::text from pg_class
                  where relname = any ($3::text[]) and relkind in ('r', 'm')
                    and pg_relation_size(oid) > $4 * current_setting('block_size')::int order by 1) as scanned`,
      [
        names("Index Name"),
        names("Relation Name"),
        names(
          "Relation Name",
          executed.filter((node) => node["Node Type"] === "Seq Scan"),
        ),
        largeBlocks,
      ],
    ),
  );
  return {
    ...rows[0]!,
    buffers: root["Shared Hit Blocks"] + root["Shared Read Blocks"],
    onDisk: executed.some((node) => node["Sort Space Type"] === "Disk") || root["Temp Written Blocks"] > 0,
  };
}

async function explain(client: pg.ClientBase, text: string, values: readonly unknown[], mode: string): Promise<Node> {
  const literals = values.length > 0 ? `(${values.map(literal).join(", ")})` : "";
  await client.query(`set local plan_cache_mode = ${mode}; prepare looked_at as ${text}; savepoint prepared`);
  try {
    const { rows } = await client.query(`explain (analyze, buffers, format json) execute looked_at ${literals}`);
    return rows[0]["QUERY PLAN"][0].Plan;
  } finally {
    // A prepared statement outlasts its transaction, also one that failed.
    await client.query("rollback to savepoint prepared; deallocate looked_at");
  }
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (!Array.isArray(value)) return pg.escapeLiteral(String(value));
  const elements = value.map((element) => `"${String(element).replace(/["\\]/g, "\\$&")}"`);
  return pg.escapeLiteral(`{${elements.join(",")}}`);
}

/** The indexes that a plan should have read and has not. */
export function unusedIndexes(read: PlanRead, { indexes }: Pick<Expectation, "indexes">): string[] {
  return indexes.filter((index) => !read.indexes.includes(index));
}

/** What a plan did beyond what is expected of it, each a sentence. */
export function excesses(read: PlanRead, { partitions, buffers }: Expectation): string[] {
  return [
    ...(read.partitions > partitions ? [`It reads ${read.partitions} partitions, not ${partitions} at most.`] : []),
    ...(read.buffers > buffers ? [`It touches ${read.buffers} buffers, not ${buffers} at most.`] : []),
    ...(read.scanned.length > 0 ? [`It reads ${read.scanned.join(", ")} from end to end.`] : []),
    ...(read.onDisk ? ["It sorts or hashes on disk."] : []),
  ];
}
