import type { FilterColumns } from "./filterColumns.ts";

/** A step of a plan. Rows are those of all its loops; what auto_explain was not told to measure is null. */
export interface PlanNode {
  /** As EXPLAIN calls it: Index Scan using t_pkey on t. */
  name: string;
  type: string;
  schema: string | null;
  relation: string | null;
  /** Its conditions, without the values in them. */
  conditions: string[];
  filter: FilterColumns | null;
  expectedRows: number;
  rows: number | null;
  removedRows: number;
  /** Time of its own, without the steps below it, and its share of the statement's. */
  ownMilliseconds: number | null;
  timePercent: number | null;
  spilledBytes: number;
  heapFetches: number;
  lossyPages: number;
  /** How many steps of the plan this is, each on another partition; the first of them is named. */
  alike: number;
  parts: PlanNode[];
}

/** The steps of a plan from the top down, each with how deep it lies. */
export function stepsOf(node: PlanNode, depth = 0): { node: PlanNode; depth: number }[] {
  return [{ node, depth }, ...node.parts.flatMap((part) => stepsOf(part, depth + 1))];
}
