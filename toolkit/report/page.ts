import { cacheHits } from "../monitor/cacheHits.ts";
import { connections } from "../monitor/connections.ts";
import type { Severity } from "../monitor/question.ts";
import { bytes, duration, percent } from "../monitor/texts.ts";
import { rowsOf } from "../status/sampler.ts";
import { traffic } from "../status/traffic.ts";
import { Html, html } from "./html.ts";
import type { Report } from "./report.ts";
import { sections } from "./sections.ts";
import { styles } from "./styles.ts";

// The page needs nothing from elsewhere, and a browser is told to fetch nothing, whatever a name in it may try.
const policy = "default-src 'none'; style-src 'unsafe-inline'";

/**
 * The report as one page: no script, no font, no picture from elsewhere.
 * @param runbooks where the pages of runbooks/ are, as a link from the page
 */
export function page(report: Report, runbooks: string): string {
  const { snapshot, takenAt } = report;
  const { database, version, role } = snapshot.server;
  const parts = sections(report, runbooks);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${database}: ${report.score} of 100 points</title>
<style>${new Html(styles)}</style>
</head>
<body>
<header>
<div class="ring ${grade(report.score)}" style="--score: ${report.score}"><div><b>${report.score}</b><span>of 100</span></div></div>
<div><h1>${database}</h1>
<p class="small">PostgreSQL ${version}, ${role}, ${takenAt.slice(0, 19).replace("T", " ")} UTC. Asked in ${snapshot.milliseconds} ms.</p></div>
</header>
${summary(report)}
<nav>${parts.map(({ id, title }) => html`<a href="#${id}">${title}</a>`)}</nav>
<main>${parts.map(({ id, title, body }) => html`<section id="${id}"><h2>${title}</h2>${body}</section>`)}</main>
</body>
</html>
`.text;
}

const grade = (score: number) => (score >= 80 ? "good" : score >= 50 ? "fair" : "poor");

function summary(report: Report): Html {
  const { snapshot, rates } = report;
  const number = (severity: Severity) => snapshot.findings.filter((finding) => finding.severity === severity).length;
  const server = rowsOf(snapshot, connections).find(({ scope }) => scope === "server");
  const cache = rowsOf(snapshot, cacheHits).find(({ kind }) => kind === "database");
  const up = (Date.parse(snapshot.takenAt) - Date.parse(snapshot.server.startedAt)) / 1000;
  const cards: [value: string, name: string, grade?: string][] = [
    [String(number("critical")), "critical", number("critical") > 0 ? "poor" : "good"],
    [String(number("warning")), "warnings", number("warning") > 0 ? "fair" : "good"],
    [String(number("notice")), "notices"],
    [bytes(rowsOf(snapshot, traffic)[0]?.sizeBytes ?? 0), "size"],
    [server ? `${server.used}/${server.most}` : "?", "connections"],
    [rates ? rates.transactionsPerSecond.toFixed(0) : "?", "transactions a second"],
    [cache ? percent(cache.hitPercent) : "?", "from the cache"],
    [duration(up), "up"],
  ];
  return html`<div class="cards">${cards.map(
    ([value, name, grade]) => html`<div class="card ${grade ?? ""}"><b>${value}</b>${name}</div>`,
  )}</div>`;
}
