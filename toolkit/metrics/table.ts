import type { Snapshot } from "../monitor/snapshot.ts";
import { databaseMetrics } from "./ofDatabase.ts";
import { serverMetrics } from "./ofServer.ts";
import { tableMetrics } from "./ofTables.ts";

/** One value of a metric, with what it is about. */
export interface Sample {
  value: number;
  labels?: Record<string, string>;
}

/** A figure of a snapshot, as Prometheus gets it. */
export interface Metric {
  /**
   * After postgres_exporter's names, where it has the figure too; the unit is in the name, and counters end in _total,
   * as `promtool check metrics` wants it.
   */
  name: `pg_${string}`;
  /** A counter only rises, until the server's statistics are reset. */
  type: "gauge" | "counter";
  help: string;
  /** Their values are bounded: by the server's own limits, or by `most`. */
  labels?: readonly string[];
  read(taken: Snapshot): Sample[];
  /** How CloudWatch gets it, where each metric costs: one value, the worst of all samples. */
  cloudWatch?: { name: string; unit: "Percent" | "Seconds" | "Bytes" | "Count" | "None"; worst: "highest" | "lowest" };
}

/** Every metric. */
export const metrics: readonly Metric[] = [...databaseMetrics, ...serverMetrics, ...tableMetrics];
