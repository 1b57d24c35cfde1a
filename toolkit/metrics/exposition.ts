import { Counter, Gauge, Registry } from "prom-client";
import type { Snapshot } from "../monitor/snapshot.ts";
import { type Metric, metrics } from "./table.ts";

/** What metrics are made of: a snapshot, or none where the database could not be asked. */
export interface Scrape {
  taken: Snapshot | undefined;
  database: string;
  /** How long the scrape took. */
  seconds: number;
}

/** Those that are there even while the database is not. */
export const scrapeMetrics = {
  up: { name: "pg_up", help: "1 when the database answered." },
  duration: { name: "pg_exporter_last_scrape_duration_seconds", help: "How long the last scrape took." },
} as const;

/**
 * The metrics in Prometheus's text format. A registry for each scrape: tables that are gone leave no series behind.
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export async function exposition({ taken, database, seconds }: Scrape): Promise<{ type: string; text: string }> {
  const registry = new Registry();
  // Where a metric names its own database, that wins.
  registry.setDefaultLabels({ datname: database });
  new Gauge({ ...scrapeMetrics.up, registers: [registry] }).set(Number(taken !== undefined));
  new Gauge({ ...scrapeMetrics.duration, registers: [registry] }).set(seconds);
  if (taken) for (const metric of metrics) add(registry, metric, taken);
  return { type: registry.contentType, text: await registry.metrics() };
}

function add(registry: Registry, { name, help, type, labels = [], read }: Metric, taken: Snapshot): void {
  const samples = read(taken);
  // A metric without a value would be a 0 that nobody measured.
  if (samples.length === 0) return;
  const options = { name, help, labelNames: labels, registers: [registry] };
  if (type === "gauge") {
    const gauge = new Gauge(options);
    for (const { value, labels = {} } of samples) gauge.set(labels, value);
  } else {
    const counter = new Counter(options);
    for (const { value, labels = {} } of samples) counter.inc(labels, value);
  }
}
