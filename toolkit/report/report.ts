import { type Connection, withClient } from "../connection.ts";
import type { LogSource } from "../monitor/plans/logSource.ts";
import type { Severity } from "../monitor/question.ts";
import { onDemand } from "../monitor/questions.ts";
import { bySeverity, type Snapshot, snapshot } from "../monitor/snapshot.ts";
import { allThresholds, type NamedThreshold, type Overrides } from "../monitor/thresholds.ts";
import { type Rates, ratesBetween } from "../status/rates.ts";
import { everything, Sampler } from "../status/sampler.ts";
import { type HistoryRead, readHistory } from "./history.ts";

/** How a database is, as the page tells it. Plain data: JSON takes it as it is. */
export interface Report {
  /** An ISO time in UTC. */
  takenAt: string;
  /** 100 is a database without a fault. */
  score: number;
  snapshot: Snapshot;
  /** What happened while it was watched; null where that cannot be told. */
  rates: Rates | null;
  /** What was recorded before. */
  history: HistoryRead;
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
 * @param options.logs where the server's log may be, for the plans in it
 * @throws UserError when it cannot be reached
 */
export async function makeReport(
  connection: Connection,
  options: { limits: Overrides; seconds: number; logs?: readonly LogSource[] },
): Promise<Report> {
  const { limits, seconds, logs = [] } = options;
  const sampler = new Sampler(connection, limits, "report");
  try {
    const before = await sampler.sample();
    await new Promise((done) => setTimeout(done, seconds * 1000));
    const after = await sampler.sample();
    const rates = ratesBetween(before, after) ?? null;
    const taken = await withPlans(connection, after, { limits, logs });
    return {
      ...{ takenAt: taken.takenAt, score: scoreOf(taken), snapshot: taken, rates },
      history: await readHistory(connection, { diskBytes: limits["sizes.diskBytes"] }),
      thresholds: allThresholds([...everything, ...onDemand]).map((one) => ({
        ...{ ...one, value: limits[one.name] ?? one.value, replaced: one.name in limits },
      })),
    };
  } finally {
    sampler.close();
  }
}

/** Asks what reads the server's log, after everything else: a snapshot is to take a moment. */
async function withPlans(
  connection: Connection,
  taken: Snapshot,
  options: { limits: Overrides; logs: readonly LogSource[] },
): Promise<Snapshot> {
  const { answers, findings } = await withClient(connection, { applicationName: "report" }, (client) =>
    snapshot(client, { ...options, ask: onDemand }),
  );
  return {
    ...taken,
    answers: { ...taken.answers, ...answers },
    findings: [...taken.findings, ...findings].sort(bySeverity),
  };
}
