import type pg from "pg";
import { median } from "../statistics.ts";
import type { Statement } from "./workload.ts";

/** A node of a plan, as EXPLAIN (FORMAT JSON) gives it. */
export interface PlanNode {
  "Node Type": string;
  "Total Cost": number;
  "Plan Rows": number;
  "Plan Width": number;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Index Cond"?: string;
  Filter?: string;
  Plans?: PlanNode[];
}

/** A plan and what it took. */
export interface Measurement {
  plan: PlanNode;
  /** Milliseconds, planning and execution: the median of the runs. */
  ms: number;
  runs: number[];
}

// A statement that changes rows is measured as well, and its changes are undone.
async function undone<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query("begin");
  try {
    return await work();
  } finally {
    await client.query("rollback");
  }
}

/** The plan of a statement for its values, without running it. */
export async function planOf(client: pg.ClientBase, { text, values }: Statement): Promise<PlanNode> {
  const { rows } = await client.query(`explain (format json) ${text}`, values);
  return rows[0]["QUERY PLAN"][0].Plan;
}

/**
 * Runs a statement until its median means something: from `least` times on as long as half a second lasts.
 * What the client would do with the rows is not counted.
 */
export async function measure(client: pg.Client, { text, values }: Statement, least = 3): Promise<Measurement> {
  const times: number[] = [];
  let plan: PlanNode | undefined;
  const started = performance.now();
  while (times.length <= least || (times.length < 25 && performance.now() - started < 500)) {
    const { rows } = await undone(client, () =>
      client.query(`explain (analyze, timing off, format json) ${text}`, values),
    );
    const [found] = rows[0]["QUERY PLAN"];
    plan = found.Plan;
    times.push(found["Planning Time"] + found["Execution Time"]);
    // One run that takes seconds says enough.
    if (performance.now() - started > 4_000) break;
  }
  // The first run also reads the catalog, and fills the caches.
  const runs = times.length > 1 ? times.slice(1) : times;
  return { plan: plan!, ms: median(runs), runs };
}

export function nodesOf(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

/** What tells two plans of a statement apart: their nodes, tables and indexes. */
export function shapeOf(plan: PlanNode): string {
  return nodesOf(plan)
    .map((node) => [node["Node Type"], node["Relation Name"], node["Index Name"]].filter(Boolean).join(" "))
    .join("; ");
}
