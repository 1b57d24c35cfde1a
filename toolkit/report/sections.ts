import { deadTuples } from "../monitor/deadTuples.ts";
import { indexUsage } from "../monitor/indexUsage.ts";
import { locks } from "../monitor/locks.ts";
import { sizes } from "../monitor/sizes.ts";
import type { NamedFinding } from "../monitor/snapshot.ts";
import { tableHealth } from "../monitor/tableHealth.ts";
import { bytes, duration, percent, things } from "../monitor/texts.ts";
import { rowsOf } from "../status/sampler.ts";
import { traffic } from "../status/traffic.ts";
import { count } from "../terminal.ts";
import { capacity, trends } from "./historySection.ts";
import { type Html, html, table } from "./html.ts";
import { cachePlot, deadPlot, healthPlot, sessionPlot, sizePlot } from "./plots.ts";
import type { Report } from "./report.ts";
import { statements } from "./statements.ts";

/** A part of the page, under a title. */
export interface Section {
  id: string;
  title: string;
  body: Html;
}

const text = (title: string) => ({ title });
const number = (title: string) => ({ title, number: true });

/** Everything below the summary. @param runbooks where the pages of runbooks/ are, as a link from the page */
export function sections(report: Report, runbooks: string): Section[] {
  return [
    { id: "findings", title: "Findings", body: findings(report.snapshot.findings, runbooks) },
    { id: "capacity", title: "When does what run out?", body: capacity(report) },
    { id: "activity", title: "Activity", body: activity(report) },
    ...("unavailable" in report.history ? [] : [{ id: "trends", title: "The last week", body: trends(report) }]),
    { id: "tables", title: "Tables", body: tables(report) },
    { id: "statements", title: "Statements", body: statements(report) },
    { id: "indexes", title: "Indexes", body: indexes(report) },
    { id: "unknown", title: "What could not be asked", body: unknown(report) },
    { id: "thresholds", title: "Thresholds", body: thresholds(report) },
  ];
}

function findings(found: NamedFinding[], runbooks: string): Html {
  if (found.length === 0) return html`<p>Nothing is wrong, by the thresholds below.</p>`;
  return html`${found.map(
    ({ severity, question, what, why, fix, runbook }) => html`<article class="${severity}">
<h3><span class="severity">${severity}</span> ${what}</h3>
<p>${why}</p>
<p><b>Fix:</b> <code>${fix}</code></p>
<p class="small">${
      runbook
        ? html`Runbook: <a href="${runbooks}/${runbook}.md">${runbook}</a>, or <code>npm run runbook -- ${runbook}</code>. `
        : ""
    }Asked by <code>toolkit check ${question}</code>.</p>
</article>`,
  )}`;
}

function activity(report: Report): Html {
  const { snapshot, rates } = report;
  const [done] = rowsOf(snapshot, traffic);
  const perSecond = (value: number) => value.toLocaleString("en-US", { maximumFractionDigits: 1 });
  const now: [string, string][] = rates
    ? [
        ["transactions a second", perSecond(rates.transactionsPerSecond)],
        ["rows read a second", perSecond(rates.rowsReadPerSecond)],
        ["rows written a second", perSecond(rates.rowsWrittenPerSecond)],
        ["WAL a second", rates.walBytesPerSecond === null ? "not known" : bytes(rates.walBytesPerSecond)],
      ]
    : [];
  const ever: [string, string][] = done
    ? [
        ["commits", count(done.commits)],
        ["rollbacks", count(done.rollbacks)],
        ["deadlocks", count(done.deadlocks)],
        ["temporary files", `${count(done.temporaryFiles)}, ${bytes(done.temporaryBytes)}`],
      ]
    : [];
  const waiting = rowsOf(snapshot, locks);
  return html`${sessionPlot(report)}
${figures(`In ${(rates?.seconds ?? 0).toFixed(1)} s`, now)}
${figures(`Since ${snapshot.server.statisticsSince ?? snapshot.server.startedAt}`, ever)}
${
  waiting.length > 0
    ? table(
        [text("who waits for whom"), text("state"), number("waits"), text("statement")],
        waiting.map(({ depth, pid, user, state, waitSeconds, query }) => [
          `${"\u2003".repeat(depth)}${depth > 0 ? "└ " : ""}${pid} ${user ?? ""}`,
          state ?? "",
          waitSeconds === null ? "" : duration(waitSeconds),
          html`<code>${query}</code>`,
        ]),
      )
    : html`<p>Nobody waits for a lock.</p>`
}`;
}

function figures(title: string, pairs: [string, string][]): Html | undefined {
  if (pairs.length === 0) return undefined;
  return html`<dl><dt>${title}</dt>${pairs.map(([name, value]) => html`<dd><b>${value}</b> ${name}</dd>`)}</dl>`;
}

function tables(report: Report): Html {
  const { snapshot } = report;
  const size = new Map(rowsOf(snapshot, sizes).map((row) => [row.object, row]));
  const dead = new Map(rowsOf(snapshot, deadTuples).map((row) => [row.object, row]));
  const rows = rowsOf(snapshot, tableHealth).map(({ object, score, deductions }) => {
    const [large, care] = [size.get(object), dead.get(object)];
    return [
      ...[html`<code>${object}</code>`, String(score), count(large?.rows ?? 0), bytes(large?.sizeBytes ?? 0)],
      ...[bytes(large?.indexBytes ?? 0), String(large?.partitions || ""), percent(care?.deadPercent ?? 0)],
      care?.sinceVacuumSeconds == null ? "never" : `${duration(care.sinceVacuumSeconds)} ago`,
      deductions.map(({ what, points }) => `${what} (-${points})`).join(", "),
    ];
  });
  const columns = [
    ...[text("table"), number("health"), number("rows"), number("size"), number("indexes"), number("partitions")],
    ...[number("dead"), number("vacuumed"), text("what lowers its health")],
  ];
  return html`${healthPlot(report) ?? html`<p>Every table has 100 points of health.</p>`}${sizePlot(report)}${deadPlot(report)}${cachePlot(report)}
${rows.length > 0 ? foldedTable(things(rows.length, "table"), table(columns, rows)) : html`<p>There are no tables.</p>`}`;
}

function indexes(report: Report): Html {
  const rows = rowsOf(report.snapshot, indexUsage);
  const hinted = rows.filter(({ hint }) => hint !== "");
  const columns = [text("index"), text("of table"), number("size"), number("scans"), text("hint")];
  const cells = (some: typeof rows) =>
    some.map(({ object, table, sizeBytes, scans, hint }) => [
      ...[html`<code>${object}</code>`, html`<code>${table}</code>`, bytes(sizeBytes), count(scans), hint],
    ]);
  return html`${
    hinted.length > 0
      ? table(columns, cells(hinted))
      : html`<p>No index is invalid, a duplicate, or unused as long as it is watched.</p>`
  }
${foldedTable(things(rows.length, "index", "indexes"), table(columns, cells(rows)))}`;
}

function unknown({ snapshot }: Report): Html {
  const silent = Object.entries(snapshot.answers).filter(([, { unavailable }]) => unavailable !== undefined);
  if (silent.length === 0) return html`<p>Every question was answered.</p>`;
  return table(
    [text("question"), text("why not, or not wholly")],
    silent.map(([name, { unavailable }]) => [name, unavailable]),
  );
}

function thresholds(report: Report): Html {
  const rows = report.thresholds.map(({ name, value, unit, why, source, replaced }) => [
    ...[html`<code>${name}</code>`, `${value.toLocaleString("en-US")} ${unit}`, replaced ? "replaced" : "", why],
    html`<a href="${source}">source</a>`,
  ]);
  const columns = [text("threshold"), number("value"), text(""), text("why"), text("")];
  return foldedTable(things(rows.length, "threshold"), table(columns, rows));
}

function foldedTable(summary: string, body: Html): Html {
  return html`<details><summary>${summary}</summary>${body}</details>`;
}
