import { tableLines } from "../runbook/table.ts";
import { count } from "../terminal.ts";
import type { Evidence } from "./evidence.ts";
import { headroom } from "./pool.ts";
import type { Advice } from "./recommend.ts";
import { readable } from "./units.ts";

/** Recommendations for people: what is to be changed, with reasons and pages, what is right, and the pools. */
export function render({ target, pool, parameters }: Advice, evidence?: Evidence): string[] {
  const changes = parameters.filter(({ change }) => change);
  const right = parameters.filter(({ change }) => !change).map(({ name, today }) => `${name} ${today}`);
  const rows = changes.map(({ name, today, recommended, restart }) => ({
    parameter: name,
    ...(evidence && { today: today ?? "unknown here" }),
    recommended,
    ...(evidence && { takes: restart ? "a restart" : "a reload" }),
  }));
  const reasons = changes.flatMap(({ name, evidence: because, why, source }) => [
    `  ${name}: ${because ? `${because} (the rule: ${why})` : why}`,
    ...source.split(", ").map((page) => `    ${page}`),
  ]);
  const memory = readable(target.memory / 1024, "kB");
  return [
    `For ${memory} of memory, ${target.cpus} processors, the workload ${target.workload}:`,
    "",
    ...(changes.length > 0
      ? tableLines({ columns: Object.keys(rows[0]!), rows: rows as never }, rows.length)
      : ["nothing is to be changed"]),
    ...(right.length > 0 ? ["", `As recommended: ${right.join(", ")}`] : []),
    ...(reasons.length > 0 ? ["", "Why:", ...reasons] : []),
    "",
    `Pools of ${pool.processes} ${pool.processes === 1 ? "process" : "processes"}: min ${pool.min}, max ${pool.max} in each, ${pool.total} sessions together`,
    `  ${pool.why}`,
    `    ${pool.source}`,
    `  beside them: ${headroom.map(({ what, sessions }) => `${sessions} for ${what}`).join(", ")}`,
    ...(evidence ? ["", evidenceLine(evidence)] : []),
  ];
}

function evidenceLine(evidence: Evidence): string {
  const { since, tempFiles, checkpointsTimed, checkpointsRequested, missShare, sessions, tablesBehind } = evidence;
  const figures = [
    `${count(tempFiles)} temporary files`,
    `${count(checkpointsRequested)} of ${count(checkpointsTimed + checkpointsRequested)} checkpoints requested`,
    `${(100 * missShare).toFixed(1)} % of blocks not in shared_buffers`,
    `${sessions} ${sessions === 1 ? "session" : "sessions"}`,
    `${tablesBehind} ${tablesBehind === 1 ? "table" : "tables"} behind with vacuum`,
  ];
  return `Evidence${since ? ` since ${since}` : ""}: ${figures.join(", ")}`;
}
