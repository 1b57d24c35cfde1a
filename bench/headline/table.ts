import { count } from "../../toolkit/terminal.ts";
import type { Headline } from "./index.ts";
import type { Earlier } from "./report.ts";

/** The aims, and whether they are met: what, the figure, and the figure that is wanted. */
export function verdicts(headline: Headline): { aim: string; found: string; met: boolean }[] {
  const { requests, ratio, scans, pool } = headline;
  const lowest = Math.min(...requests.map((each) => each.ratio));
  const slowest = Math.max(...requests.map(({ after }) => after.p95));
  const percent = (value: number) => `${value.toFixed(1)} %`;
  return [
    { aim: "geometric mean of the ratios at least 100", found: ratio.toFixed(0), met: ratio >= 100 },
    { aim: "no ratio under 10", found: lowest.toFixed(1), met: lowest >= 10 },
    { aim: "every p95 after under 50 ms", found: `${slowest.toFixed(1)} ms`, met: slowest < 50 },
    {
      aim: "index usage at least 95 %",
      found: `${percent(scans.after.indexUsage)}, was ${percent(scans.before.indexUsage)}`,
      met: scans.after.indexUsage >= 95,
    },
    {
      aim: "sequential scans under 5 %",
      found: `${percent(scans.after.sequentialScans)}, was ${percent(scans.before.sequentialScans)}`,
      met: scans.after.sequentialScans < 5,
    },
    {
      aim: "pool under 30 % at the same load",
      found: `${percent(pool.after.utilisation)}, was ${percent(pool.before.utilisation)}`,
      met: pool.after.utilisation < 30,
    },
  ];
}

/** The result for people. */
export function tableLines(headline: Headline): string[] {
  const { sizes, requests, scans, pool, server, cpus } = headline;
  const head = ["", "p50", "p95", "p99", "p50", "p95", "p99", "ratio", "buffers", "buffers"];
  const rows = requests.map(({ name, before, after, ratio }) => [
    name,
    ...[before.p50, before.p95, before.p99, after.p50, after.p95, after.p99].map(milliseconds),
    ratio.toFixed(0),
    ...[before.buffers, after.buffers].map(count),
  ]);
  const [widths] = [head.map((_, place) => Math.max(...[head, ...rows].map((row) => row[place]!.length)))];
  const line = (row: string[]) =>
    row.map((cell, place) => (place === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[place]!))).join("  ");
  const group = (first: number, last: number, text: string) =>
    text.padStart(widths.slice(first, last + 1).reduce((sum, width) => sum + width + 2, 0));
  return [
    "",
    `PostgreSQL ${server}, ${cpus} cores: ${count(sizes.prices)} prices, ${count(sizes.indicators)} indicators, ` +
      `${count(sizes.recommendations)} recommendations, ${count(sizes.apiCalls)} API calls; milliseconds`,
    "",
    `${" ".repeat(widths[0]!)}${group(1, 3, "before")}${group(4, 6, "after")}${group(7, 7, "")}${group(8, 8, "before")}${group(9, 9, "after")}`,
    line(head),
    ...rows.map(line),
    "",
    ...verdicts(headline).map(({ aim, found, met }) => `${met ? "met   " : "MISSED"}  ${aim}: ${found}`),
    `        tables of more than 100 pages: ${scans.after.largeSequentialScans.toFixed(1)} % sequential scans, was ${scans.before.largeSequentialScans.toFixed(1)} %`,
    `        at ${pool.after.rate.toFixed(1)} requests a second: ${pool.before.answered} of ${pool.before.offered} answered before, ${pool.after.answered} of ${pool.after.offered} after`,
  ];
}

/** How the new queries grow with the tables; none where there was no run of another size. */
export function growthLines(headline: Headline, earlier: Earlier[]): string[] {
  if (earlier.length === 0) return [];
  const runs = [...earlier, headline].sort((a, b) => a.sizes.prices - b.sizes.prices);
  const width = Math.max(...headline.requests.map(({ name }) => name.length));
  return [
    "",
    "p50 after, by price rows:",
    `${" ".repeat(width)}${runs.map(({ sizes }) => count(sizes.prices).padStart(12)).join("")}`,
    ...headline.requests.map(
      ({ name }) =>
        `${name.padEnd(width)}${runs
          .map(({ requests }) => {
            const found = requests.find((each) => each.name === name);
            return (found ? milliseconds(found.after.p50) : "-").padStart(12);
          })
          .join("")}`,
    ),
  ];
}

const milliseconds = (value: number) => (value >= 100 ? count(value) : value.toFixed(value < 10 ? 2 : 1));
