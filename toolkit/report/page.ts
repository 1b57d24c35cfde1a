import { cacheHits } from "../monitor/cacheHits.ts";
import { connections } from "../monitor/connections.ts";
import type { Severity } from "../monitor/question.ts";
import { bytes, duration, percent } from "../monitor/texts.ts";
import { rowsOf } from "../status/sampler.ts";
import { traffic } from "../status/traffic.ts";
import { Html, html } from "./html.ts";
import type { Report } from "./report.ts";
import { sections } from "./sections.ts";

const styles = `
  :root { --red: #b4483c; --yellow: #9a6f12; --green: #2f7a42; --blue: #2f6f9f; --line: #ddd }
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 960px; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
  h1 { margin-bottom: 0 } h2 { margin-top: 2.5rem; border-bottom: 2px solid var(--line) } h3 { font-size: 1rem; margin: 0 }
  table { border-collapse: collapse; width: 100%; font-size: 13px; margin: 1rem 0 }
  th, td { padding: .25rem .5rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; overflow-wrap: anywhere }
  th.number, td.number { text-align: right; white-space: nowrap; overflow-wrap: normal }
  svg { max-width: 100%; height: auto; display: block; margin: 1rem 0 } code { font-size: 13px; overflow-wrap: anywhere }
  article { border-left: 4px solid var(--blue); padding: .25rem .75rem; margin: 1rem 0 } article p { margin: .25rem 0 }
  .critical { border-color: var(--red) } .warning { border-color: var(--yellow) }
  .severity { text-transform: uppercase; font-size: 12px; color: var(--blue) }
  .critical .severity { color: var(--red) } .warning .severity { color: var(--yellow) }
  .small { font-size: 13px; color: #555 } .cards { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0 }
  .card { border: 1px solid var(--line); border-radius: 6px; padding: .5rem 1rem; min-width: 7rem } .card b { display: block; font-size: 1.4rem }
  .good b { color: var(--green) } .fair b { color: var(--yellow) } .poor b { color: var(--red) }
  dl { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem } dt { width: 100%; color: #555 } dd { margin: 0 } summary { cursor: pointer }
  @media print { details > * { display: block } body { max-width: none } }
`;

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
<meta name="viewport" content="width=device-width">
<title>${database}: ${report.score} of 100 points</title>
<style>${new Html(styles)}</style>
</head>
<body>
<h1>${database}</h1>
<p class="small">PostgreSQL ${version}, ${role}, ${takenAt.slice(0, 19).replace("T", " ")} UTC. Asked in ${snapshot.milliseconds} ms.</p>
${summary(report)}
<nav class="small">${parts.map(({ id, title }) => html`<a href="#${id}">${title}</a>`)}</nav>
${parts.map(({ id, title, body }) => html`<h2 id="${id}">${title}</h2>${body}`)}
</body>
</html>
`.text;
}

function summary(report: Report): Html {
  const { snapshot, score, rates } = report;
  const number = (severity: Severity) => snapshot.findings.filter((finding) => finding.severity === severity).length;
  const server = rowsOf(snapshot, connections).find(({ scope }) => scope === "server");
  const cache = rowsOf(snapshot, cacheHits).find(({ kind }) => kind === "database");
  const up = (Date.parse(snapshot.takenAt) - Date.parse(snapshot.server.startedAt)) / 1000;
  const cards: [value: string, name: string, grade?: string][] = [
    [String(score), "of 100 points", score >= 80 ? "good" : score >= 50 ? "fair" : "poor"],
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
