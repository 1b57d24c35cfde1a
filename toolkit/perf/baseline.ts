import { readFile } from "node:fs/promises";
import { messageOf, UserError } from "../errors.ts";
import { median, spread } from "../statistics.ts";
import { limits } from "./limits.ts";

/** The form of the stored result; a change that readers notice raises it. */
export const formatVersion = 1;

/** How two runs of a query compare. */
export interface Comparison {
  /** Now to then, of the medians: 2 is twice as slow. */
  ratio: number;
  /** By how much the ratio may differ from 1 by chance: 0.2 is 20 %. */
  band: number;
  change: "slower" | "faster" | "none";
}

/**
 * Compares two sets of repeated measurements. The band of noise comes from how much the measurements of each run
 * differ among themselves: three deviations of both together, and 20 % at least.
 */
export function compareRuns(before: readonly number[], now: readonly number[]): Comparison {
  const ratio = median(now) / median(before);
  const noise = limits.bandDeviations.value * Math.hypot(spread(before), spread(now));
  const band = Math.max(noise, limits.leastBand.value / 100);
  const change = ratio > 1 + band ? "slower" : ratio < 1 / (1 + band) ? "faster" : "none";
  return { ratio, band, change };
}

/** What an earlier run measured. */
export interface Baseline {
  /** Whether through a connection pooler. */
  pooled: boolean;
  /** By the name of the query. */
  times: Map<string, number[]>;
}

/**
 * Reads the times of a stored result.
 * @throws UserError with exit code 2 when the file is none, or of another form
 */
export async function readBaseline(path: string): Promise<Baseline> {
  const refuse = (why: string) =>
    new UserError(`${path} is no stored result of the performance test`, {
      why,
      fix: "Give a file that `toolkit test performance` wrote.",
      exitCode: 2,
    });
  let found: unknown;
  try {
    found = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw refuse(`${messageOf(error)}.`);
  }
  const { version, load, checks } = (found ?? {}) as {
    version?: unknown;
    load?: { pooled?: unknown };
    checks?: unknown;
  };
  if (version !== formatVersion || !Array.isArray(checks)) throw refuse(`It is not of version ${formatVersion}.`);
  const rows = checks.find(({ name }) => name === "times")?.rows ?? [];
  const times = new Map<string, number[]>(
    rows.flatMap(({ subject, figures }: { subject: string; figures: { relative?: unknown } }) =>
      isSeries(figures.relative) ? [[subject, figures.relative] as const] : [],
    ),
  );
  return { pooled: load?.pooled === true, times };
}

const isSeries = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "number" && one > 0);
