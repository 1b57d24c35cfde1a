import pg from "pg";
import { count } from "../../terminal.ts";
import { bytes, percent, share } from "../texts.ts";
import type { FilterColumns } from "./filterColumns.ts";
import { type PlanNode, stepsOf } from "./steps.ts";

/** The limits that the rules compare with. */
export type PlanLimits = Record<
  "removedPercent" | "removedRows" | "estimateTimes" | "estimateRows" | "spilledBytes" | "fetchedRows",
  number
>;

/** What a plan tells, and what to do about it: whole sentences. */
export interface Advice {
  what: string;
  why: string;
  fix: string;
}

/** A table that a step reads; of a partition, the partitioned table. */
export interface ReadTable {
  name: string;
  partitioned: boolean;
  /** Its columns by name: how SQL writes each, and whether it is text. */
  columns: ReadonlyMap<string, { quoted: string; isText: boolean }>;
  /** The columns of the keys of its indexes, with the index's name. */
  indexes: { name: string; columns: string[] }[];
}

type TableOf = (node: PlanNode) => ReadTable | undefined;
type Rule = (steps: PlanNode[], limits: PlanLimits, tableOf: TableOf) => Advice[];

/** What the plan of a statement tells, the dearest first. */
export function adviceOn(root: PlanNode, limits: PlanLimits, tableOf: TableOf): Advice[] {
  const steps = stepsOf(root).map(({ node }) => node);
  return rules.flatMap((rule) => rule(steps, limits, tableOf));
}

/** Rows that are read and thrown away. Partitions that are filtered alike are one table. */
const filtered: Rule = (steps, limits, tableOf) => {
  const scans = steps.filter(({ type, removedRows }) => type.endsWith("Scan") && removedRows > 0);
  const groups = Map.groupBy(scans, (node) =>
    JSON.stringify([tableOf(node)?.name ?? node.relation ?? node.name, node.type, node.filter]),
  );
  return [...groups.values()].flatMap((nodes) => {
    const [removed, kept] = [sum(nodes, (n) => n.removedRows), sum(nodes, (n) => n.rows ?? 0)];
    const part = share(removed, removed + kept);
    if (removed < limits.removedRows || part < limits.removedPercent) return [];
    const [{ type, relation, name, filter }, table] = [nodes[0]!, tableOf(nodes[0]!)];
    const columns = filter ? [...filter.equal, ...filter.range, ...filter.converted] : [];
    const by = columns.length > 0 ? ` on ${columns.join(", ")}` : "";
    return [
      {
        what: `The ${type} of ${table?.name ?? relation ?? name} reads ${count(removed + kept)} rows and throws ${percent(part)} of them away, by its filter${by}.`,
        why: "An index on what the filter compares finds the others, without a look at those.",
        fix: indexFor(table, filter),
      },
    ];
  });
};

function indexFor(table: ReadTable | undefined, filter: FilterColumns | null): string {
  if (!table) return "Find an index for it with toolkit advise.";
  const converted = filter?.asText.filter((column) => table.columns.get(column)?.isText === false) ?? [];
  const [equal, range] = [filter?.equal ?? [], filter?.range ?? []].map((columns) =>
    columns.filter((column) => !converted.includes(column)),
  ) as [string[], string[]];
  const key = [...equal, ...range.slice(0, 1)];
  if (filter && key.length === 0)
    return `The filter converts ${[...filter.converted, ...converted].join(", ")} before it compares: give it a value of the column's own type, or create an index on the expression.`;
  if (key.length === 0)
    return "The filter compares no column with a value: create an index on its expression, or rewrite it.";
  const has = table.indexes.find(({ columns }) => key.every((column, n) => columns[n] === column));
  if (has)
    return `The index ${has.name} begins with ${key.join(", ")}, and was not used: analyze ${table.name}; then explain it again.`;
  const target = `on ${table.name} (${quoted(key, table)});`;
  return table.partitioned
    ? `create index ${target} by a migration, partition by partition, so that writes go on; but first let toolkit advise build it on a copy, and measure it.`
    : `create index concurrently ${target} but first let toolkit advise build it on a copy, and measure it.`;
}

/** More rows than the planner expected; of steps above each other the lowest, where it begins. */
const misjudged: Rule = (steps, limits, tableOf) => {
  const isMisjudged = ({ rows, expectedRows }: PlanNode) =>
    rows !== null && rows >= limits.estimateRows && rows >= limits.estimateTimes * Math.max(expectedRows, 1);
  const [first] = steps.filter(
    (node) => isMisjudged(node) && !node.parts.some((part) => stepsOf(part).some(({ node }) => isMisjudged(node))),
  );
  if (!first) return [];
  const table = tableOf(first);
  const name = table?.name;
  const together = [...(first.filter?.equal ?? []), ...(first.filter?.range ?? [])];
  const statistics = table && `create statistics on ${quoted(together, table)} from ${name};`;
  return [
    {
      what: `${first.name} gave ${count(first.rows!)} rows, where the planner expected ${count(first.expectedRows)}.`,
      why: "What suits few rows, as a nested loop, was chosen for many.",
      fix: name
        ? `analyze ${name};${together.length > 1 ? ` if the columns depend on each other: ${statistics} analyze ${name};` : ""}`
        : "Analyze the tables below it; if the columns that it joins by depend on each other, create statistics on them.",
    },
  ];
};

const spilled: Rule = (steps, limits) => {
  const [worst] = steps.toSorted((one, other) => other.spilledBytes - one.spilledBytes);
  if (!worst || worst.spilledBytes < limits.spilledBytes) return [];
  // On disk rows are packed more closely than in memory.
  const megabytes = 2 ** Math.ceil(Math.log2((2 * worst.spilledBytes) / 1024 ** 2));
  return [
    {
      what: `${worst.name} wrote ${bytes(worst.spilledBytes)} to disk, for it did not fit into work_mem.`,
      why: "Memory is faster by far, and the disk is shared.",
      fix: `Where there is memory for each session that runs it: alter role … set work_mem = '${megabytes}MB'; or an index in the order that it wants.`,
    },
  ];
};

const unvacuumed: Rule = (steps, limits, tableOf) =>
  steps
    .filter(({ heapFetches, rows }) => heapFetches >= limits.fetchedRows && heapFetches >= (rows ?? 0) / 2)
    .slice(0, 1)
    .map((node) => ({
      what: `${node.name} looked up ${count(node.heapFetches)} rows in the table all the same.`,
      why: "An index is enough only for pages that vacuum has marked as visible to everybody.",
      fix: `vacuum ${tableOf(node)?.name ?? node.relation}; and more often: autovacuum_vacuum_insert_scale_factor.`,
    }));

const lossy: Rule = (steps) =>
  steps
    .filter(({ lossyPages }) => lossyPages > 0)
    .slice(0, 1)
    .map(({ name, lossyPages }) => ({
      what: `The bitmap of ${name} did not fit into work_mem: of ${count(lossyPages)} pages every row was compared.`,
      why: "A bitmap that remembers pages in place of rows finds rows that nobody asked for.",
      fix: "Raise work_mem for whoever runs it: alter role … set work_mem.",
    }));

const rules = [filtered, misjudged, spilled, unvacuumed, lossy];

const sum = (nodes: PlanNode[], figure: (node: PlanNode) => number) =>
  nodes.reduce((all, node) => all + figure(node), 0);
const quoted = (columns: string[], table: ReadTable) =>
  columns.map((column) => table.columns.get(column)?.quoted ?? pg.escapeIdentifier(column)).join(", ");
