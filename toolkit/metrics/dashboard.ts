import { allThresholds, type Overrides } from "../monitor/thresholds.ts";
import { type Panel, panelTable, type Row } from "./panelTable.ts";

// Grafana's grid has 24 columns.
const columns = 24;
const heights = { stat: 4, timeseries: 8, bargauge: 10, table: 8 } as const;

/**
 * The dashboard as JSON for Grafana's "Import": it asks for the Prometheus. Red lines are the thresholds of
 * `toolkit check`.
 * @param limits values that replace thresholds
 * @see https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
 */
export function dashboard(limits: Overrides = {}): object {
  const values = new Map(allThresholds().map(({ name, value }) => [name, limits[name] ?? value]));
  const panels: object[] = [];
  let y = 0;
  for (const row of panelTable) {
    panels.push({
      ...{ id: panels.length + 1, type: "row", title: row.title, collapsed: false, panels: [] },
      gridPos: { x: 0, y, w: columns, h: 1 },
    });
    y += 1;
    const width = Math.floor(columns / row.panels.length);
    for (const [n, panel] of row.panels.entries())
      panels.push(panelOf(panel, { id: panels.length + 1, x: n * width, y, w: width }, values));
    y += heightOf(row);
  }
  return {
    ...{ title: "PostgreSQL", uid: "postgres-from-code", tags: ["postgresql"], schemaVersion: 39, version: 1 },
    ...{ editable: true, refresh: "30s", time: { from: "now-6h", to: "now" }, timezone: "browser" },
    templating: { list: [source, choice("instance", "pg_up"), choice("datname", 'pg_up{instance=~"$instance"}')] },
    annotations: { list: [] },
    panels,
  };
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: the variable is Grafana's
const datasource = { type: "prometheus", uid: "${source}" };
const source = { name: "source", label: "Prometheus", type: "datasource", query: "prometheus", current: {} };

function choice(label: string, metric: string): object {
  return {
    ...{ name: label, label, type: "query", datasource, refresh: 2, sort: 1 },
    ...{ includeAll: true, multi: true, current: { text: "All", value: "$__all" } },
    query: { query: `label_values(${metric}, ${label})`, refId: label },
  };
}

const heightOf = ({ panels }: Row) => Math.max(...panels.map(({ type }) => heights[type]));

function panelOf(panel: Panel, place: { id: number; x: number; y: number; w: number }, values: Map<string, number>) {
  const { id, ...grid } = place;
  const limits = (panel.limits ?? []).map((name) => ({ color: "red", value: values.get(name)! }));
  const steps = panel.lowIsBad
    ? [
        { color: "red", value: null },
        { color: "green", value: limits[0]?.value ?? 0 },
      ]
    : [{ color: "green", value: null }, ...limits];
  return {
    ...{ id, type: panel.type, title: panel.title, description: panel.description ?? "", datasource },
    gridPos: { ...grid, h: heights[panel.type] },
    targets: panel.queries.map(({ expr, legend }, n) => ({
      ...{ refId: String.fromCharCode(65 + n), expr, legendFormat: legend, datasource },
      // A table and a bar show how it is now, a graph how it went.
      ...(panel.type === "timeseries"
        ? {}
        : { instant: true, format: panel.type === "table" ? "table" : "time_series" }),
    })),
    fieldConfig: {
      defaults: {
        ...{ unit: panel.unit, thresholds: { mode: "absolute", steps } },
        ...(panel.type === "timeseries"
          ? { custom: { fillOpacity: 10, thresholdsStyle: { mode: limits.length > 0 ? "line" : "off" } } }
          : {}),
      },
      overrides: [],
    },
    options: optionsOf[panel.type],
  };
}

const last = { reduceOptions: { calcs: ["lastNotNull"] } };
const optionsOf = {
  stat: { ...last, colorMode: "background" },
  timeseries: { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi" } },
  bargauge: { ...last, orientation: "horizontal", displayMode: "basic" },
  table: { showHeader: true },
} as const;
