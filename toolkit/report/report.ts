import type { Connection } from "../connection.ts";
import type { Severity } from "../monitor/question.ts";
import type { Snapshot } from "../monitor/snapshot.ts";
import { allThresholds, type NamedThreshold, type Overrides } from "../monitor/thresholds.ts";
import { type Rates, ratesBetween } from "../status/rates.ts";
import { everything, Sampler } from "../status/sampler.ts";

/** How a database is, as the page tells it. Plain data: JSON takes it as it is. */
export interface Report {
  /** An ISO time in UTC. */
  takenAt: string;
  /** 100 is a database without a fault. */
  score: number;
  snapshot: Snapshot;
  /** What happened while it was watched; null where that cannot be told. */
  rates: Rates | null;
  /** The limits that findings go by, with those that were replaced. */
  thresholds: (NamedThreshold & { replaced: boolean })[];
}

// One outage that is near weighs as much as five losses; an untidiness hardly shows.
const points: Record<Severity, number> = { critical: 25, warning: 5, notice: 1 };
// A hundred tables with the same fault are one fault: what a question finds costs this much at most.
const mostOfQuestion = 25;

/** The score of a database: 100, less what its findings cost. */
export function scoreOf({ findings }: Pick<Snapshot, "findings">): number {
  const byQuestion = Map.groupBy(findings, ({ question }) => question);
  const lost = [...byQuestion.values()].map((found) =>
    Math.min(
      mostOfQuestion,
      found.reduce((sum, { severity }) => sum + points[severity], 0),
    ),
  );
  return Math.max(0, 100 - lost.reduce((sum, one) => sum + one, 0));
}

/**
 * Looks at a database twice, and says how it is.
 * @param options.seconds between the two looks, for rates
 * @throws UserError when it cannot be reached
 */
export async function makeReport(
  connection: Connection,
  options: { limits: Overrides; seconds: number },
): Promise<Report> {
  const { limits, seconds } = options;
  const sampler = new Sampler(connection, limits, "report");
  try {
    const before = await sampler.sample();
    await new Promise((done) => setTimeout(done, seconds * 1000));
    const snapshot = await sampler.sample();
    return {
      ...{ takenAt: snapshot.takenAt, score: scoreOf(snapshot), snapshot },
      rates: ratesBetween(before, snapshot) ?? null,
      thresholds: allThresholds(everything).map((one) => ({
        ...{ ...one, value: limits[one.name] ?? one.value, replaced: one.name in limits },
      })),
    };
  } finally {
    sampler.close();
  }
}
