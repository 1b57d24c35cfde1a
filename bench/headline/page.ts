import { draw } from "../../toolkit/report/draw.ts";
import { type Html, html, table } from "../../toolkit/report/html.ts";
import { count } from "../../toolkit/terminal.ts";
import type { Headline } from "./index.ts";
import type { Earlier } from "./report.ts";
import { verdicts } from "./table.ts";

// Room for the names of requests, and for the figure beside the longest bar.
const grid = { left: 190, right: 60, top: 40, bottom: 40 };
const [red, blue, green] = ["#b4483c", "#2f6f9f", "#3c8a4e"];

/** The result as one page that needs nothing else: plots are drawn here, as SVG. */
export function page(headline: Headline, earlier: Earlier[]): string {
  const { sizes, server, cpus, takenAt } = headline;
  return html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Before and after: ${count(sizes.prices)} prices</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 960px; margin: 2rem auto; padding: 0 1rem; color: #222 }
  table { border-collapse: collapse; width: 100% } th, td { padding: .25rem .5rem; text-align: right; border-bottom: 1px solid #ddd }
  th:first-child, td:first-child { text-align: left } .missed { color: ${red} } .met { color: ${green} } svg { max-width: 100%; height: auto }
  details { margin: 1rem 0 } code { font-size: 13px }
</style>
<h1>Before and after</h1>
<p>${count(sizes.prices)} prices, ${count(sizes.indicators)} indicators, ${count(sizes.recommendations)} recommendations,
${count(sizes.apiCalls)} API calls. PostgreSQL ${server}, ${cpus} cores, ${takenAt}. Both sides gave the same answers.</p>
<h2>${headline.ratio.toFixed(0)} times faster, by the geometric mean</h2>
<ul>${verdicts(headline).map(({ aim, found, met }) => {
    const verdict = met ? "met" : "missed";
    return html`<li class="${verdict}">${verdict}: ${aim}: ${found}</li>`;
  })}</ul>
<h2>Median time</h2>
${latencyPlot(headline)}
<h2>Ratio</h2>
${ratioPlot(headline)}
${earlier.length > 0 ? html`<h2>Growth of the new queries with the table</h2>\n${growthPlot(headline, earlier)}` : undefined}
<h2>Figures</h2>
${figures(headline)}
<h2>Plans</h2>
${headline.requests.map(
  ({ name, before, after }) =>
    html`<details><summary>${name}</summary><p>before: <code>${before.plan.join(", ")}</code></p><p>after: <code>${after.plan.join(", ")}</code></p></details>`,
)}
</html>
`.text;
}

function latencyPlot({ requests }: Headline): Html {
  const series = (name: string, color: string, values: number[]) => ({
    ...{ name, type: "bar", color, data: values.map((value) => Number(value.toPrecision(3))) },
  });
  return draw(420, {
    grid,
    legend: { top: 0 },
    // Bars of a logarithmic axis begin at 1 otherwise.
    xAxis: { type: "log", name: "ms", min: 0.1, startValue: 0.1 },
    yAxis: { type: "category", inverse: true, data: requests.map(({ name }) => name) },
    series: [
      series(
        "before",
        red,
        requests.map(({ before }) => before.p50),
      ),
      series(
        "after",
        blue,
        requests.map(({ after }) => after.p50),
      ),
    ],
  });
}

function ratioPlot({ requests }: Headline): Html {
  return draw(360, {
    grid,
    xAxis: { type: "log", name: "times" },
    yAxis: { type: "category", inverse: true, data: requests.map(({ name }) => name) },
    series: [
      {
        ...{ type: "bar", color: green, data: requests.map(({ ratio }) => Number(ratio.toPrecision(3))) },
        label: { show: true, position: "right" },
      },
    ],
  });
}

function growthPlot(headline: Headline, earlier: Earlier[]): Html {
  const runs = [...earlier, headline].sort((a, b) => a.sizes.prices - b.sizes.prices);
  return draw(420, {
    grid: { left: 60, right: 240, top: 20, bottom: 40 },
    legend: { orient: "vertical", right: 0 },
    xAxis: { type: "log", name: "prices" },
    yAxis: { type: "log", name: "ms" },
    series: headline.requests.map(({ name }) => ({
      ...{ name, type: "line" },
      data: runs.flatMap(({ sizes, requests }) => {
        const found = requests.find((each) => each.name === name);
        return found ? [[sizes.prices, Number(found.after.p50.toPrecision(3))]] : [];
      }),
    })),
  });
}

function figures({ requests }: Headline): Html {
  const heads = ["rows", "before p50, ms", "p95", "after p50, ms", "p95", "p99", "ratio", "buffers before", "after"];
  const shown = (value: number) => (value < 100 && !Number.isInteger(value) ? value.toFixed(2) : count(value));
  return table(
    [{ title: "request" }, ...heads.map((title) => ({ title, number: true }))],
    requests.map(({ name, rows, before, after, ratio }) => [
      name,
      ...[rows, before.p50, before.p95, after.p50, after.p95, after.p99, ratio, before.buffers, after.buffers].map(
        shown,
      ),
    ]),
  );
}
