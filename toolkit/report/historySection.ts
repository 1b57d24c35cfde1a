import { sentence } from "../history/forecastCommand.ts";
import { metrics } from "../history/metrics.ts";
import { nameOf } from "../history/regressions.ts";
import { amount } from "../history/show.ts";
import type { Trend } from "../history/trends.ts";
import { things } from "../monitor/texts.ts";
import type { History, Seen } from "./history.ts";
import { type Html, html, table } from "./html.ts";
import { forecastPlot, trendPlot } from "./linePlots.ts";
import type { Report } from "./report.ts";

/** What says most about how a server is used; the table below the plots has all. */
const plotted = [
  ...["size.database", "connections.used", "transactions.committed", "pages.read"],
  ...["wal.bytes", "temporary.bytes", "locks.waiting", "transactions.oldestSeconds"],
];
// Sequences and databases may be many: those that run out first.
const mostForecasts = 6;

/** When what runs out, between two days. */
export function capacity({ history }: Report): Html {
  if ("unavailable" in history) return html`<p>${history.unavailable}</p>`;
  const forecasts = history.forecasts.toSorted(byUrgency);
  const [first, others] = [forecasts.slice(0, mostForecasts), forecasts.slice(mostForecasts)];
  if (first.length === 0) return html`<p>Too little is recorded yet.</p>`;
  return html`<div class="plots">${first.filter(({ points }) => points.length > 1).map(forecastPlot)}</div>
${listOf(first)}
${others.length > 0 ? html`<details><summary>${things(others.length, "other")}</summary>${listOf(others)}</details>` : undefined}
<p class="small">By <code>toolkit forecast</code>, in 95 of 100 cases; the red area is the time in which the limit may be reached.</p>`;
}

/** What may run out first; then what is used most, and what is not known of how much there is. */
function byUrgency(one: Seen, other: Seen): number {
  const [days, otherDays] = [one.earliestDays ?? never, other.earliestDays ?? never];
  return days - otherDays || usedOf(other) - usedOf(one);
}

const never = Number.MAX_VALUE;
const usedOf = ({ value, limit }: Seen) => (limit ? value / limit : 1);

function listOf(forecasts: readonly Seen[]): Html {
  const name = ({ resource, object }: Seen) => (object ? `${resource} of ${object}` : resource);
  return html`<ul>${forecasts.map((one) => html`<li><b>${name(one)}</b>: ${sentence(one)}</li>`)}</ul>`;
}

/** How the figures of the last week went, and which statements got slower after a deploy. */
export function trends({ history }: Report): Html {
  if ("unavailable" in history) return html`<p>${history.unavailable}</p>`;
  const shown = plotted.flatMap((name) =>
    history.trends.filter(({ metric, points }) => metric === name && points.length > 1),
  );
  return html`<div class="plots">${shown.map(trendPlot)}</div>
${regressions(history)}
${all(history.trends)}`;
}

function regressions({ regressions: found, regressionsUnavailable }: History): Html {
  if (regressionsUnavailable !== null)
    return html`<p>Whether statements got slower after a deploy is not known: ${regressionsUnavailable}</p>`;
  if (found.length === 0) return html`<p>No statement got slower after a deploy of the last week.</p>`;
  return html`${found.map(
    ({ deploy, query, before, after, times, lostSeconds }) => html`<article class="warning">
<h3><span class="severity">slower</span> ${times.toFixed(1)} times since ${nameOf(deploy)}</h3>
<p><code>${query}</code></p>
<p class="small">${before.toFixed(2)} ms before, ${after.toFixed(2)} ms after; ${amount(lostSeconds, "seconds")} lost so far. By <code>toolkit regressions</code>.</p>
</article>`,
  )}`;
}

function all(found: readonly Trend[]): Html {
  const columns = [
    ...[{ title: "metric" }, { title: "of" }],
    ...["last", "least", "most", "a day"].map((title) => ({ title, number: true })),
  ];
  const rows = found.map(({ metric, object, unit, last, least, most, perDay }) => [
    ...[html`<code>${metric}</code><br><span class="small">${metrics[metric]?.what}</span>`, object],
    ...[last, least, most].map((value) => amount(value, unit)),
    perDay === null ? "" : `${perDay > 0 ? "+" : ""}${amount(perDay, unit)}`,
  ]);
  return html`<details><summary>${things(rows.length, "figure")}</summary>${table(columns, rows)}</details>`;
}
