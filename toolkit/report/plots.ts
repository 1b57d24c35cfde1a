import { cacheHits } from "../monitor/cacheHits.ts";
import { connections } from "../monitor/connections.ts";
import { deadTuples } from "../monitor/deadTuples.ts";
import { sizes } from "../monitor/sizes.ts";
import { slowQueries } from "../monitor/slowQueries.ts";
import { tableHealth } from "../monitor/tableHealth.ts";
import { bytes, percent } from "../monitor/texts.ts";
import { rowsOf } from "../status/sampler.ts";
import { sessions } from "../status/sessions.ts";
import { count } from "../terminal.ts";
import { blue, green, light, muted, red, yellow } from "./colours.ts";
import { draw } from "./draw.ts";
import type { Html } from "./html.ts";
import type { Report } from "./report.ts";

// More bars than these are not read; the tables hold all.
const [most, longestName] = [15, 30];

/** A plot, or nothing where there is nothing to draw. */
type Plot = (report: Report) => Html | undefined;

/** The largest tables, with their indexes. */
export const sizePlot: Plot = ({ snapshot }) => {
  const rows = rowsOf(snapshot, sizes).slice(0, most);
  return bars(
    "Size of the largest tables",
    rows.map(({ object }) => object),
    [
      { name: "table", color: blue, values: rows.map(({ sizeBytes }) => sizeBytes), stack: "size" },
      { name: "indexes", color: light, values: rows.map(({ indexBytes }) => indexBytes), stack: "size" },
    ],
    { show: bytes },
  );
};

/** Sessions of this database by state, and what is left of the server's connections. */
export const sessionPlot: Plot = ({ snapshot }) => {
  const server = rowsOf(snapshot, connections).find(({ scope }) => scope === "server");
  const byState = Map.groupBy(rowsOf(snapshot, sessions), ({ state }) => state);
  const states = [...byState].map(([state, found]) => ({ state, number: found.length }));
  states.sort((one, other) => other.number - one.number);
  const here = states.reduce((sum, { number }) => sum + number, 0);
  const bar = [...states, ...(server ? [{ state: "elsewhere, and ours", number: server.used - here }] : [])];
  return bars(
    server ? `Sessions by state: ${server.used} of ${server.most} connections` : "Sessions by state",
    bar.map(({ state }) => state),
    [{ name: "sessions", color: blue, values: bar.map(({ number }) => Math.max(0, number)) }],
    { show: count },
  );
};

/** How much of what was read came from memory, for what reads most. */
export const cachePlot: Plot = (report) => {
  const rows = rowsOf(report.snapshot, cacheHits).filter(({ kind }) => kind !== "indexes");
  const shown = [
    ...rows.filter(({ kind }) => kind === "database"),
    ...rows
      .filter(({ kind }) => kind === "table")
      .toSorted((one, other) => other.readPages - one.readPages)
      .slice(0, most - 1),
  ];
  return bars(
    "Pages from the cache",
    shown.map(({ object, kind }) => (kind === "database" ? "the whole database" : object)),
    [{ name: "hits", color: green, values: shown.map(({ hitPercent }) => hitPercent) }],
    { show: percent, max: 100, limit: limitOf(report, "cache-hits.hitPercent") },
  );
};

/** The share of dead rows, where there are some. */
export const deadPlot: Plot = (report) => {
  const rows = rowsOf(report.snapshot, deadTuples).filter(({ deadRows }) => deadRows > 0);
  const shown = rows.slice(0, most);
  return bars(
    "Dead rows",
    shown.map(({ object }) => object),
    [{ name: "dead", color: yellow, values: shown.map(({ deadPercent }) => deadPercent) }],
    { show: percent, limit: limitOf(report, "dead-tuples.deadPercent") },
  );
};

/** The health of the worst tables, where some have lost points. */
export const healthPlot: Plot = (report) => {
  const rows = rowsOf(report.snapshot, tableHealth)
    .filter(({ score }) => score < 100)
    .slice(0, most);
  const [good, poor] = [limitOf(report, "table-health.score"), limitOf(report, "table-health.poorScore")];
  const colour = (score: number) => (score < poor ? red : score < good ? yellow : green);
  return bars(
    "Health of the worst tables",
    rows.map(({ object }) => object),
    [{ name: "points", color: rows.map(({ score }) => colour(score)), values: rows.map(({ score }) => score) }],
    { show: count, max: 100, limit: good },
  );
};

/** The statements that take most of the time. */
export const statementPlot: Plot = ({ snapshot }) => {
  const rows = rowsOf(snapshot, slowQueries).slice(0, most);
  return bars(
    "Share of all time by statement",
    rows.map(({ query }) => query),
    [{ name: "time", color: blue, values: rows.map(({ timePercent }) => timePercent) }],
    { show: percent },
  );
};

function limitOf({ thresholds }: Report, name: string): number {
  return thresholds.find((one) => one.name === name)!.value;
}

interface Series {
  name: string;
  /** One colour, or one for each bar. */
  color: string | string[];
  values: number[];
  stack?: string;
}

/** Bars that lie on each other, the first on top, with their values beside them and a line at the limit. */
function bars(
  title: string,
  names: string[],
  series: Series[],
  options: { show: (value: number) => string; max?: number; limit?: number },
): Html | undefined {
  if (names.length === 0) return undefined;
  const { show, max, limit } = options;
  const totals = names.map((_, n) => series.reduce((sum, { values }) => sum + values[n]!, 0));
  const last = series.length - 1;
  return draw(60 + names.length * 22, {
    title: {
      ...{ text: limit === undefined ? title : `${title} (the line is the limit, ${show(limit)})`, left: 0 },
      textStyle: { fontSize: 14, fontWeight: 600, color: "var(--text)" },
    },
    ...(series.length > 1 ? { legend: { right: 0, top: 0, textStyle: { color: muted } } } : {}),
    grid: { left: 215, right: 75, top: 40, bottom: 8 },
    // Each bar has its value beside it.
    xAxis: { type: "value", ...(max ? { max } : {}), axisLabel: { show: false }, splitLine: { show: false } },
    yAxis: {
      ...{ type: "category", inverse: true, data: names.map(shortened), axisTick: { show: false } },
      ...{ axisLabel: { interval: 0, color: "var(--text)" }, axisLine: { lineStyle: { color: "var(--line)" } } },
    },
    series: series.map(({ name, color, values, stack }, n) => ({
      ...{ name, type: "bar", barMaxWidth: 14, silent: true, ...(stack ? { stack } : {}) },
      ...(typeof color === "string" ? { color } : {}),
      data: values.map((value, bar) =>
        typeof color === "string" ? value : { value, itemStyle: { color: color[bar] } },
      ),
      label: {
        ...{ show: n === last, position: "right", fontSize: 11, color: muted },
        formatter: ({ dataIndex }: { dataIndex: number }) => show(totals[dataIndex]!),
      },
      ...(limit !== undefined && n === last
        ? {
            markLine: {
              ...{ symbol: "none", silent: true, lineStyle: { color: "var(--text)", type: "dashed" } },
              ...{ label: { show: false }, data: [{ xAxis: limit }] },
            },
          }
        : {}),
    })),
  });
}

function shortened(name: string): string {
  const letters = [...name.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, " ")];
  return letters.length > longestName ? `${letters.slice(0, longestName - 1).join("")}…` : letters.join("");
}
