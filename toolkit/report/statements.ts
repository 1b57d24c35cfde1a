import { type StepCells, stepCells } from "../monitor/plans/planLines.ts";
import { type QueryPlan, queryPlans } from "../monitor/queryPlans.ts";
import { slowQueries } from "../monitor/slowQueries.ts";
import { bytes, percent } from "../monitor/texts.ts";
import { rowsOf } from "../status/sampler.ts";
import { count } from "../terminal.ts";
import { type Html, html, table } from "./html.ts";
import { statementPlot } from "./plots.ts";
import type { Report } from "./report.ts";

const number = (title: string) => ({ title, number: true });

/** The statements that take the time, each with its newest plan and what that tells. */
export function statements(report: Report): Html {
  const { snapshot } = report;
  const rows = rowsOf(snapshot, slowQueries);
  if (rows.length === 0)
    return html`<p>${snapshot.answers[slowQueries.name]?.unavailable ?? "No statement was counted yet."}</p>`;
  const plans = new Map(rowsOf(snapshot, queryPlans).map((plan) => [plan.queryId, plan]));
  const columns = [
    ...[number("of all time"), number("mean"), number("calls"), number("rows a call"), number("cache hits")],
    ...[number("to disk a call")],
  ];
  const note = snapshot.answers[queryPlans.name]?.unavailable;
  return html`${statementPlot(report)}
${table(
  columns,
  rows.map((row) => [
    ...[percent(row.timePercent), `${row.meanMilliseconds.toFixed(1)} ms`, count(row.calls), count(row.rowsPerCall)],
    ...[percent(row.hitPercent), bytes(row.temporaryBytes)],
  ]),
  (n) => {
    const { query, queryId } = rows[n]!;
    const plan = plans.get(queryId);
    return html`<code>${query}</code>${plan && planOf(plan)}`;
  },
)}
${note ? html`<p class="small">Plans: ${note}</p>` : undefined}`;
}

function planOf(plan: QueryPlan): Html {
  const steps = stepCells(plan);
  const columns = ["rows", "expected", "removed", "own ms", "of its time"].map(
    (title) => html`<th class="number">${title}</th>`,
  );
  return html`<details><summary>Plan of ${plan.milliseconds.toFixed(1)} ms${plan.at ? `, ${plan.at}` : ""}${
    plan.slowest ? `: most of it in ${plan.slowest}` : ""
  }</summary>
<table class="plan"><thead><tr><th>step</th>${columns}</tr></thead><tbody>${steps.map(stepOf)}</tbody></table></details>
${plan.advice.map(
  ({ what, why, fix }) => html`<div class="advice"><p>${what} ${why}</p><p><b>Fix:</b> <code>${fix}</code></p></div>`,
)}`;
}

function stepOf({
  depth,
  name,
  rows,
  expected,
  removed,
  milliseconds,
  timePercent,
  conditions,
  slowest,
}: StepCells): Html {
  const indent = "\u2003".repeat(depth);
  const time =
    timePercent === null
      ? ""
      : html`${percent(timePercent)}<span class="bar" style="--part: ${Math.min(100, timePercent).toFixed(0)}"></span>`;
  return html`<tr class="${slowest ? "slowest" : ""}"><td>${indent}${depth > 0 ? "└ " : ""}${name}${
    conditions ? html`<br><span class="small">${indent}<code>${conditions}</code></span>` : ""
  }</td>${[rows, expected, removed, milliseconds, time].map((cell) => html`<td class="number">${cell}</td>`)}</tr>`;
}
