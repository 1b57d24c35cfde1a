import type pg from "pg";
import { createPool } from "../pool/pool.ts";
import { statementOf } from "../queries/query.ts";
import { median, percentile } from "../statistics.ts";
import type { Check, Row } from "./check.ts";
import { findKnee, rampUp, type Step } from "./knee.ts";
import { limits } from "./limits.ts";
import { rounded } from "./samples.ts";

// What every database can be asked, and hardly feels: a few rows of the catalog, by an index.
const catalogLookup = {
  name: "test_performance_lookup",
  text: "select attname from pg_catalog.pg_attribute where attrelid = 'pg_catalog.pg_class'::regclass and attnum > 0",
};

/** A pool under a load that grows until throughput does not, and then to twice its size. */
export const poolLoad: Check = {
  name: "pool",
  title: "How much does a pool carry, and where is its knee?",
  needsQueries: false,
  share: 0.45,
  async ask(session, seconds) {
    const { connection, connections, statementTimeout, queries, pooled } = session;
    const small = queries.filter(({ query }) => !query.large).map(({ query, options }) => statementOf(query, options));
    const statements = small.length > 0 ? small : [catalogLookup];
    const pool = createPool(connection, {
      min: 0,
      max: connections,
      statementTimeout,
      applicationName: "test performance",
      pgbouncer: pooled,
    });
    const ready = new WeakSet<object>();
    const prepare = async (client: pg.ClientBase) => {
      if (ready.has(client)) return;
      ready.add(client);
      await client.query(`set default_transaction_read_only = on; set lock_timeout = '1s'`);
      // As in a session that has run for a while: planned already, by the plan on which it settles.
      await client.query("set plan_cache_mode = force_generic_plan");
      for (const statement of statements) await client.query(statement);
    };
    // Behind a pooler there is no session to prepare.
    const ask = (statement: pg.QueryConfig) =>
      pooled
        ? pool.transaction((client) => client.query(statement), { readOnly: true })
        : pool.withClient(async (client) => {
            await prepare(client);
            await client.query(statement);
          });
    try {
      await Promise.all(Array.from({ length: connections }, () => ask(statements[0]!)));
      const ramp = rampUp(connections);
      const steps: Measured[] = [];
      for (const concurrency of ramp)
        steps.push(await offer(concurrency, seconds / ramp.length, (n) => ask(statements[n % statements.length]!)));
      return rowsOf(steps, small.length > 0, pooled);
    } finally {
      await pool.end({ timeout: statementTimeout });
    }
  },
};

interface Measured extends Step {
  p50: number;
  failed: number;
  firstFailure?: string;
}

/** So many requests under way at once, each followed by another until the time is over. */
async function offer(
  concurrency: number,
  seconds: number,
  request: (n: number) => Promise<unknown>,
): Promise<Measured> {
  const times: number[] = [];
  const failures: string[] = [];
  const started = performance.now();
  let n = 0;
  async function worker(): Promise<void> {
    do {
      const began = performance.now();
      try {
        await request(n++);
        times.push(performance.now() - began);
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error));
        // A server that refuses everything is not asked as fast as it refuses.
        if (failures.length > 10) return;
      }
    } while (performance.now() - started < 1000 * seconds);
  }
  await Promise.all(Array.from({ length: concurrency }, worker));
  const perSecond = times.length / ((performance.now() - started) / 1000);
  const [p50, p95] = times.length > 0 ? [median(times), percentile(times, 95)] : [0, 0];
  return { concurrency, perSecond, p50, p95, failed: failures.length, firstFailure: failures[0] };
}

function rowsOf(steps: readonly Measured[], ofApplication: boolean, pooled: boolean): Row[] {
  const rows = steps.map(
    ({ concurrency, perSecond, p50, p95, failed, firstFailure }): Row => ({
      subject: `${concurrency} at once`,
      verdict: failed > 0 ? "failed" : "passed",
      figures: { concurrency, perSecond: rounded(perSecond, 0), p50Ms: rounded(p50), p95Ms: rounded(p95) },
      ...(failed > 0 ? { said: `${failed} requests failed, the first: ${firstFailure}.` } : {}),
    }),
  );
  const knee = findKnee(steps);
  const wrong = [
    ...(knee.lastShare < limits.collapseShare.value
      ? [`Throughput falls to ${rounded(knee.lastShare, 0)} % of its best under more load.`]
      : []),
    ...(knee.p95 > limits.kneeP95.value
      ? [`One request in twenty takes ${rounded(knee.p95, 0)} ms or more, not ${limits.kneeP95.value} at most.`]
      : []),
  ];
  const asked = ofApplication
    ? []
    : ["A lookup in the catalog was asked, for there are no queries of the application."];
  const through = pooled ? ["Each request was a transaction, for a connection pooler stands before the server."] : [];
  const said = [...wrong, ...asked, ...through].join(" ");
  return [
    ...rows,
    {
      subject: "the knee",
      verdict: wrong.length > 0 ? "failed" : "passed",
      figures: {
        concurrency: knee.concurrency,
        perSecond: rounded(knee.perSecond, 0),
        p95Ms: rounded(knee.p95),
        lastPercent: rounded(knee.lastShare, 0),
      },
      ...(said ? { said } : {}),
    },
  ];
}
