import pg from "pg";
import { UserError } from "../errors.ts";
import { boundSql } from "./missing.ts";
import { chooseTables, partitionsSql } from "./tables.ts";

/** How the planner and the executor leave partitions out, in one of three ways. */
export interface PruningCase {
  /**
   * static: the date is in the query, and the planner leaves partitions out. prepared: the date is a parameter of a
   * generic plan, and the executor does when it starts. join: the date comes out of another table, and it does row by row.
   */
  name: "static" | "prepared" | "join";
  /** Partitions that were scanned, of all. */
  scanned: number;
  /** Whether only the one partition that can have the date was scanned. */
  pruned: boolean;
}

export interface Pruning {
  table: string;
  partitions: number;
  cases: PruningCase[];
}

/** Runs some work in a transaction that only reads. */
type Reading = <T>(work: (client: pg.ClientBase) => Promise<T>) => Promise<T>;

/**
 * Proves that partitions are left out, by EXPLAIN of three queries for one day. Reads only; the join reads the rows of
 * one partition. The join is a nested loop, for no other one can leave partitions out.
 * @param name the table; several partitions of it are needed
 * @throws UserError when there is nothing to prove on it
 * @see https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITION-PRUNING
 */
export function provePruning(client: pg.ClientBase, name: string): Promise<Pruning> {
  return provePruningBy(async (work) => {
    await client.query("begin read only");
    try {
      return await work(client);
    } finally {
      await client.query("rollback");
    }
  }, name);
}

/** The same, for a caller that has its own way to begin and to end a transaction. */
export async function provePruningBy(reading: Reading, name: string): Promise<Pruning> {
  const table = (await reading((client) => chooseTables(client, name)))[0]!;
  const { rows } = await reading((client) =>
    client.query<{ from: string; to: string; all: number; within: number }>(
      `select ${boundSql(table, "from_at")} as from, ${boundSql(table, "to_at")} as to, count(*) over ()::int as all,
            (select count(*) from pg_partition_tree(oid) where isleaf)::int as within
     from (${partitionsSql}) as partitions where isfinite(from_at) and isfinite(to_at)
     order by rows desc, from_at limit 1`,
      [table.oid, "UTC"],
    ),
  );
  const chosen = rows[0];
  const leaves = await reading((client) => leavesOf(client, table.oid));
  if (!chosen || leaves.size < 2)
    throw new UserError(`${table.sql} has no partitions to leave out`, {
      why: "Pruning shows only where there are two or more, one of them with both bounds.",
      fix: `Make some: toolkit partitions ensure ${table.sql}.`,
    });
  const column = pg.escapeIdentifier(table.column);
  const [from, to] = [pg.escapeLiteral(chosen.from), pg.escapeLiteral(chosen.to)];
  const scans = async (client: pg.ClientBase, explain: string): Promise<number> => {
    const plan = await client.query(explain);
    return scanned(plan.rows[0]["QUERY PLAN"][0].Plan, leaves).size;
  };
  const cases: [PruningCase["name"], (client: pg.ClientBase) => Promise<number>][] = [
    [
      "static",
      (client) =>
        scans(
          client,
          `explain (format json) select from ${table.sql} where ${column} >= ${from} and ${column} < ${to}`,
        ),
    ],
    [
      "prepared",
      async (client) => {
        await client.query("set local plan_cache_mode to force_generic_plan");
        await client.query(
          `prepare prove_pruning (${table.type}, ${table.type}) as select from ${table.sql} where ${column} >= $1 and ${column} < $2; savepoint prepared`,
        );
        try {
          return await scans(client, `explain (format json) execute prove_pruning (${from}, ${to})`);
        } finally {
          // A prepared statement outlasts its transaction, also one that failed.
          await client.query("rollback to savepoint prepared; deallocate prove_pruning");
        }
      },
    ],
    [
      "join",
      async (client) => {
        await client.query(
          "set local enable_hashjoin to off; set local enable_mergejoin to off; set local enable_material to off; set local enable_memoize to off; set local max_parallel_workers_per_gather to 0",
        );
        return scans(
          client,
          `explain (analyze, timing off, format json)
           select from (select ${from}::${table.type} as day offset 0) as wanted join ${table.sql} as t on t.${column} = wanted.day`,
        );
      },
    ],
  ];
  const found: PruningCase[] = [];
  for (const [caseName, ask] of cases) {
    const number = await reading(ask);
    found.push({ name: caseName, scanned: number, pruned: number <= chosen.within });
  }
  return { table: table.sql, partitions: leaves.size, cases: found };
}

async function leavesOf(client: pg.ClientBase, oid: string): Promise<Set<string>> {
  const { rows } = await client.query<{ name: string }>(
    `select relid::regclass::text as name from pg_partition_tree($1::oid) where isleaf`,
    [oid],
  );
  return new Set(rows.map(({ name }) => name));
}

interface Node {
  Schema?: string;
  "Relation Name"?: string;
  Alias?: string;
  "Actual Loops"?: number;
  Plans?: Node[];
}

/** The scans that were planned, or, of a plan that ran, those that were executed. */
function scanned(node: Node, leaves: Set<string>, found = new Set<string>()): Set<string> {
  if (node["Relation Name"] && node["Actual Loops"] !== 0) found.add(node.Alias ?? node["Relation Name"]);
  for (const child of node.Plans ?? []) scanned(child, leaves, found);
  return found;
}
