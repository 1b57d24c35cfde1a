import type { Connection } from "../connection.ts";
import { progress } from "../terminal.ts";
import { type Baseline, formatVersion } from "./baseline.ts";
import type { Check, Row, Session, Verdict } from "./check.ts";
import { indexes } from "./indexes.ts";
import { largeData } from "./largeData.ts";
import { poolLoad } from "./poolLoad.ts";
import { pruning } from "./pruning.ts";
import { queryPlans } from "./queryPlans.ts";
import { findQueries, roomFor, statementTimeout, withReader } from "./session.ts";
import { times } from "./times.ts";
import { twins } from "./twins.ts";

/** Every check, in the order in which they are asked. */
export const checks: readonly Check[] = [indexes, queryPlans, pruning, largeData, twins, times, poolLoad];

/** What a check found. */
export interface CheckResult {
  name: string;
  title: string;
  /** failed where a row failed, skipped where none was judged. */
  verdict: Verdict;
  rows: Row[];
}

/** What the whole test found. Plain data: JSON takes it as it is. */
export interface PerformanceResult {
  version: typeof formatVersion;
  /** An ISO time in UTC. */
  takenAt: string;
  server: { database: string; version: string };
  load: { durationSeconds: number; connections: number; pooled: boolean };
  passed: boolean;
  checks: CheckResult[];
}

export interface PerformanceOptions {
  /** Seconds that measuring takes, about; plans and catalogs come on top, a few seconds. */
  duration: number;
  /** The most connections at once. */
  connections: number;
  baseline?: Baseline;
  /** Gets a line for people about the load, and about what is left out. */
  say: (line: string) => void;
}

/**
 * Tests the performance of a database. It only reads: every session refuses to write, and the server ends a statement
 * that takes longer than ten seconds.
 * @throws UserError when the database cannot be reached
 */
export function testPerformance(connection: Connection, options: PerformanceOptions): Promise<PerformanceResult> {
  return withReader(connection, async (read, pooled) => {
    const takenAt = new Date().toISOString();
    const { rows } = await read((client) =>
      client.query<PerformanceResult["server"]>(
        "select current_database() as database, current_setting('server_version') as version",
      ),
    );
    const { say } = options;
    const { queries, left } = await findQueries(read);
    const connections = await roomFor(read, options.connections);
    say(
      `${rows[0]!.database}: reads only, for about ${options.duration} s, over at most ${connections + 1} connections ` +
        "(--duration and --connections change that)",
    );
    if (pooled)
      say(
        "a connection pooler stands before the server: every query runs in a transaction of its own and is planned anew, " +
          "so times compare with those that were measured in the same way",
      );
    if (queries.length === 0)
      say("there is nothing that the application's queries could ask for: only the general checks are run");
    else if (left.length > 0) say(`there is nothing to ask for by ${left.join(", ")}: left out`);

    const { baseline } = options;
    const session: Session = { read, pooled, connection, statementTimeout, connections, queries, baseline };
    const bar = progress({ title: "performance", total: checks.length });
    const results: CheckResult[] = [];
    try {
      for (const check of checks) {
        bar.update(results.length, check.name);
        results.push(await ask(check, session, options.duration * check.share));
      }
    } finally {
      bar.stop();
    }
    return {
      version: formatVersion,
      takenAt,
      server: rows[0]!,
      load: { durationSeconds: options.duration, connections, pooled },
      passed: results.every(({ verdict }) => verdict !== "failed"),
      checks: results,
    };
  });
}

async function ask(check: Check, session: Session, seconds: number): Promise<CheckResult> {
  const { name, title, needsQueries } = check;
  const rows = needsQueries && session.queries.length === 0 ? [] : await check.ask(session, seconds);
  const judged = rows.filter(({ verdict }) => verdict !== "skipped");
  const failed = judged.some(({ verdict }) => verdict === "failed");
  return { name, title, verdict: failed ? "failed" : judged.length > 0 ? "passed" : "skipped", rows };
}
