import { withoutLiterals } from "../../pool/statementText.ts";
import { share } from "../texts.ts";
import { filterColumns } from "./filterColumns.ts";
import { type PlanNode, stepsOf } from "./steps.ts";
import { type RawNode, readTextPlan } from "./textPlan.ts";

/** A plan with the statement that it is of. The statement has its values, and is not to be shown. */
export interface Plan {
  query: string;
  queryId: string | null;
  root: PlanNode;
}

const [kB, page] = [1024, 8192];

/** Reads what auto_explain logged in JSON or text; undefined for another format, and for what is not whole. */
export function readPlan(body: string): Plan | undefined {
  if (!body.startsWith("{")) {
    const found = readTextPlan(body);
    return found && { query: found.query, queryId: null, root: rootOf(found.plan) };
  }
  let parsed: { "Query Text"?: string; Plan?: RawNode };
  try {
    parsed = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (!parsed.Plan) return undefined;
  // As a number it would lose its last digits; inside of a text its quotes have backslashes.
  const [, queryId = null] = /\n {2}"Query Identifier": (-?\d+)/.exec(body) ?? [];
  return { query: parsed["Query Text"] ?? "", queryId, root: rootOf(parsed.Plan) };
}

const number = (node: RawNode, key: string) => (typeof node[key] === "number" ? node[key] : 0);
const text = (node: RawNode, key: string) => (typeof node[key] === "string" ? node[key] : null);

function rootOf(plan: RawNode): PlanNode {
  const root = nodeOf(plan, 1);
  const whole = timeOf(plan, 1);
  if (whole !== null) for (const { node } of stepsOf(root)) node.timePercent = share(node.ownMilliseconds ?? 0, whole);
  return root;
}

/** @param workers how many processes share the time: what runs below a Gather is counted for each of them */
function nodeOf(raw: RawNode, workers: number): PlanNode {
  const type = text(raw, "Node Type") ?? "?";
  const below = type.startsWith("Gather") ? number(raw, "Workers Launched") + 1 : workers;
  const children = raw.Plans ?? [];
  const time = timeOf(raw, workers);
  const inner = children.reduce((sum, child) => sum + (timeOf(child, below) ?? 0), 0);
  const written = number(raw, "Temp Written Blocks");
  const writtenBelow = children.reduce((sum, child) => sum + number(child, "Temp Written Blocks"), 0);
  const loops = "Actual Loops" in raw ? number(raw, "Actual Loops") : 1;
  const filter = text(raw, "Filter");
  return {
    ...{ name: nameOf(raw, type), type, schema: text(raw, "Schema"), relation: text(raw, "Relation Name") },
    conditions: conditionsOf(raw),
    filter: (filter && filterColumns(filter)) || null,
    expectedRows: number(raw, "Plan Rows") * loops,
    rows: "Actual Rows" in raw ? Math.round(number(raw, "Actual Rows") * loops) : null,
    removedRows: Math.round(number(raw, "Rows Removed by Filter") * loops),
    ownMilliseconds: time === null ? null : Math.max(0, time - inner),
    timePercent: null,
    spilledBytes: Math.max(
      raw["Sort Space Type"] === "Disk" ? number(raw, "Sort Space Used") * kB : 0,
      number(raw, "Disk Usage") * kB,
      (number(raw, "Hash Batches") - 1) * number(raw, "Peak Memory Usage") * kB,
      (written - writtenBelow) * page,
    ),
    heapFetches: number(raw, "Heap Fetches"),
    lossyPages: number(raw, "Lossy Heap Blocks"),
    ...{ alike: 1, parts: together(children.map((child) => nodeOf(child, below))) },
  };
}

/** Steps beside each other that do the same to many partitions become one: a plan of hundreds is read as one of a table. */
function together(parts: PlanNode[]): PlanNode[] {
  const groups = Map.groupBy(parts, shapeOf);
  return [...groups.values()].flatMap((nodes) => (nodes.length < fewest ? nodes : [sumOf(nodes)]));
}

const fewest = 4;

// An index of each partition has another name, and so has the partition; what is done does not.
function shapeOf({ type, filter, parts }: PlanNode): string {
  return JSON.stringify([type, filter, parts.map(shapeOf)]);
}

function sumOf(nodes: readonly PlanNode[]): PlanNode {
  const first = nodes[0]!;
  const sum = (figure: (node: PlanNode) => number) => nodes.reduce((all, node) => all + figure(node), 0);
  return {
    ...first,
    ...{ expectedRows: sum((n) => n.expectedRows), removedRows: sum((n) => n.removedRows) },
    rows: first.rows === null ? null : sum((n) => n.rows ?? 0),
    ownMilliseconds: first.ownMilliseconds === null ? null : sum((n) => n.ownMilliseconds ?? 0),
    ...{ spilledBytes: sum((n) => n.spilledBytes), heapFetches: sum((n) => n.heapFetches) },
    ...{ lossyPages: sum((n) => n.lossyPages), alike: sum((n) => n.alike) },
    parts: first.parts.map((_, n) => sumOf(nodes.map(({ parts }) => parts[n]!))),
  };
}

function timeOf(raw: RawNode, workers: number): number | null {
  return "Actual Total Time" in raw ? (number(raw, "Actual Total Time") * number(raw, "Actual Loops")) / workers : null;
}

const strategies: Record<string, string> = { Hashed: "Hash", Sorted: "Group", Mixed: "Mixed" };

/** JSON keeps apart what the text format writes as one. */
function nameOf(raw: RawNode, type: string): string {
  const [index, relation, alias] = [text(raw, "Index Name"), text(raw, "Relation Name"), text(raw, "Alias")];
  const join = text(raw, "Join Type");
  const parts = [
    raw["Parallel Aware"] === true ? "Parallel" : "",
    /^(Partial|Finalize)$/.test(text(raw, "Partial Mode") ?? "") ? text(raw, "Partial Mode") : "",
    type === "Aggregate" ? `${strategies[text(raw, "Strategy") ?? ""] ?? ""}Aggregate` : "",
    type === "ModifyTable" ? text(raw, "Operation") : "",
    join && join !== "Inner"
      ? type === "Nested Loop"
        ? `${type} ${join} Join`
        : type.replace("Join", `${join} Join`)
      : "",
  ].filter(Boolean);
  const own = /Aggregate|Join|^(Insert|Update|Delete|Merge)$/.test(parts.at(-1) ?? "") ? [] : [type];
  return [
    ...[...parts, ...own],
    ...(index ? [relation ? `using ${index}` : `on ${index}`] : []),
    ...(relation ? [`on ${relation}${alias && alias !== relation ? ` ${alias}` : ""}`] : []),
  ].join(" ");
}

const conditions = [
  "Filter",
  "Index Cond",
  "Recheck Cond",
  "Hash Cond",
  "Merge Cond",
  "Join Filter",
  "Sort Key",
  "Group Key",
];

function conditionsOf(raw: RawNode): string[] {
  return conditions.flatMap((key) => {
    const value = Array.isArray(raw[key]) ? raw[key].join(", ") : text(raw, key);
    return value === null ? [] : [`${key.toLowerCase()} ${hidden(value)}`];
  });
}

// Names in quotes and types with a length keep their digits, and so do parameters and subplans.
const numbers = /"(?:[^"]|"")*"|::[a-z ]+\([\d,]+\)|\$\d+|Plan \d+|(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?\b/gi;

/** A condition as EXPLAIN prints it, without the values in it. */
function hidden(condition: string): string {
  return withoutLiterals(condition)
    .replace(numbers, (found) => (/^\d/.test(found) ? "…" : found))
    .replace(/\s+/g, " ");
}
