import type { Evidence, Setting } from "./evidence.ts";
import { type PoolSizes, poolSizes } from "./pool.ts";
import { type Rule, rules, type Workload } from "./rules.ts";
import { readable, type Value } from "./units.ts";

/** What the recommendation is for. */
export interface Target {
  /** Bytes. */
  memory: number;
  cpus: number;
  workload: Workload;
  /** Processes of the application, each with a pool. */
  processes: number;
  /** Sessions of all pools together, where they are given. */
  connections?: number;
}

/** One parameter: what it should be, what it is, and why. */
export interface Recommendation {
  name: string;
  /** In PostgreSQL's base unit of the parameter, as the configuration and RDS take it. */
  value: Value;
  /** As a person writes it: 4GB, on. */
  recommended: string;
  /** What the server has; null where none was asked, or does not know it. */
  today: string | null;
  /** Whether it is to be changed; where no server was asked, every parameter is. */
  change: boolean;
  /** Whether the change takes a restart; null where no server was asked. */
  restart: boolean | null;
  /** What the live database says that made it differ from the rule. */
  evidence?: string;
  why: string;
  source: string;
}

/** Recommendations for a server. */
export interface Advice {
  target: Target;
  pool: PoolSizes;
  parameters: Recommendation[];
}

/**
 * Recommends parameters and pool sizes.
 * @param live what the server has and what its counters say
 */
export function recommend(target: Target, live?: { settings: Map<string, Setting>; evidence: Evidence }): Advice {
  const pool = poolSizes(target);
  const need = { ...target, sessions: pool.total, maxConnections: pool.maxConnections };
  const parameters = rules.map((rule): Recommendation => {
    const setting = live?.settings.get(rule.name);
    const byRule = rule.value(need);
    const today = setting && Number(setting.setting);
    const correction =
      live && typeof byRule === "number" ? rule.correct?.(live.evidence, byRule, today ?? byRule, need) : undefined;
    const value = correction?.value ?? byRule;
    // What corrects one rule is what the next ones reckon with.
    if (rule.name === "max_connections") need.maxConnections = value as number;
    return {
      name: rule.name,
      value,
      recommended: readable(value, rule.unit),
      today: setting ? readable(today === undefined || Number.isNaN(today) ? setting.setting : today, rule.unit) : null,
      change: !setting || !isNear(rule, value, setting.setting),
      restart: setting ? setting.restart : null,
      ...(correction && { evidence: correction.because }),
      why: rule.why,
      source: rule.source,
    };
  });
  return { target, pool, parameters };
}

function isNear({ tolerance = 0, atLeast }: Rule, value: Value, setting: string): boolean {
  if (typeof value === "boolean") return setting === (value ? "on" : "off");
  if (typeof value === "string") return setting === value;
  if (atLeast && Number(setting) > value) return true;
  return Math.abs(Number(setting) - value) <= tolerance * value;
}
