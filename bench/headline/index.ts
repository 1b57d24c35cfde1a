import { availableParallelism } from "node:os";
import type pg from "pg";
import { embeddedSettings } from "../../infra/parameters.ts";
import { connect } from "../../toolkit/connection.ts";
import { UserError } from "../../toolkit/errors.ts";
import { say } from "../../toolkit/terminal.ts";
import type { BenchOptions, Measured } from "../index.ts";
import { startBenchServer } from "../server.ts";
import { type Databases, makeDatabases } from "./databases.ts";
import { sizesFor } from "./load.ts";
import { type Effort, effortOf, type Latencies, planShape, repeat } from "./measure.ts";
import { offer, type PoolUse, plainPool, rateFor, toolkitPool } from "./pools.ts";
import { type Earlier, readEarlier, writeReport } from "./report.ts";
import { growthLines, tableLines } from "./table.ts";
import { difference, type Request, workload } from "./workload.ts";

/** One side of a request. */
export interface Side extends Latencies {
  buffers: number;
  plan: string[];
}

export interface RequestResult {
  name: string;
  /** Rows of the answer, the same on both sides. */
  rows: number;
  before: Side;
  after: Side;
  /** Median before by median after. */
  ratio: number;
}

/** In per cent of the scans that the workload made, each request once. */
export interface ScanShares {
  indexUsage: number;
  sequentialScans: number;
  /** Over tables of more than a hundred pages only. */
  largeIndexUsage: number;
  largeSequentialScans: number;
}

export interface Headline {
  takenAt: string;
  server: string;
  cpus: number;
  sizes: ReturnType<typeof sizesFor>;
  seconds: { load: number; migrate: number };
  requests: RequestResult[];
  /** Geometric mean of the ratios. */
  ratio: number;
  scans: { before: ScanShares; after: ScanShares };
  pool: { before: PoolUse; after: PoolUse };
}

const defaultRows = 10_000_000;
// A slow request is measured a few times; a fast one until its percentiles mean something.
const [limitBefore, limitAfter] = [
  { runs: 5, seconds: 10 },
  { runs: 300, seconds: 4 },
];
const offerSeconds = 15;

/** The application's queries on the schema that it had against the toolkit's queries on the schema of head. */
export async function bench({ rows = defaultRows }: BenchOptions): Promise<Measured> {
  const settings = embeddedSettings(17, { memory: 4 * 2 ** 30, cpus: availableParallelism(), maxConnections: 60 });
  const server = await startBenchServer({ embedded: true, settings });
  try {
    const databases = await makeDatabases(server.connection, sizesFor(rows));
    const headline = await measure(databases, server.version);
    await databases.drop();
    const earlier = await readEarlier(headline);
    const files = await writeReport(headline, earlier);
    return { result: headline, lines: [...tableLines(headline), ...growthLines(headline, earlier), "", ...files] };
  } finally {
    await server.stop();
  }
}

export type { Earlier };

/** Compares the answers, then times both sides. @throws UserError when an answer differs */
export async function measure(databases: Databases, version: string): Promise<Headline> {
  const before = await connect(databases.before, { applicationName: "headline keeps" });
  const after = await connect(databases.after, { applicationName: "headline keeps" });
  try {
    const requests = await workload(after);
    const efforts: { before: Effort; after: Effort; rows: number }[] = [];
    for (const request of requests) efforts.push(await compare(request, before, after));
    say(`  the answers of all ${requests.length} requests are the same; timing`);
    const results: RequestResult[] = [];
    for (const [index, request] of requests.entries())
      results.push(await time(request, before, after, efforts[index]!));
    const ratio = Math.exp(results.reduce((sum, each) => sum + Math.log(each.ratio), 0) / results.length);
    return {
      ...{ takenAt: new Date().toISOString(), server: version, cpus: availableParallelism() },
      ...{ sizes: await sizesOf(after), seconds: databases.seconds, requests: results, ratio },
      scans: { before: shares(efforts.map((each) => each.before)), after: shares(efforts.map((each) => each.after)) },
      pool: await comparePools(databases, requests, results),
    };
  } finally {
    await Promise.all([before.end(), after.end()]);
  }
}

async function compare(request: Request, before: pg.Client, after: pg.Client) {
  let [old, now]: [object[], object[]] = [[], []];
  const effortBefore = await effortOf(before, async () => {
    old = await request.before(before);
  });
  // Once for the caches of the session: the planner reads the catalog of every partition.
  await request.after(after);
  const effortAfter = await effortOf(after, async () => {
    now = await request.after(after);
  });
  const found = old.length === 0 ? "no row on either side" : difference(old, now);
  if (found)
    throw new UserError(`the answers of ${request.name} differ: ${found}`, {
      why: "Times of different answers cannot be compared.",
      fix: "Correct bench/headline/naive.ts or the query.",
    });
  say(`  ${request.name}: ${old.length} rows, the same`);
  return { before: effortBefore, after: effortAfter, rows: old.length };
}

async function time(
  request: Request,
  before: pg.Client,
  after: pg.Client,
  effort: { before: Effort; after: Effort; rows: number },
): Promise<RequestResult> {
  const old = await repeat(() => request.before(before), limitBefore);
  const now = await repeat(() => request.after(after), limitAfter);
  const [oldPlan, newPlan] = [
    await planShape(before, (client) => request.before(client)),
    await planShape(after, (client) => request.after(client)),
  ];
  const result = {
    ...{ name: request.name, rows: effort.rows, ratio: old.p50 / now.p50 },
    before: { ...old, buffers: effort.before.buffers, plan: oldPlan },
    after: { ...now, buffers: effort.after.buffers, plan: newPlan },
  };
  say(`  ${request.name}: ${old.p50.toFixed(1)} ms, ${now.p50.toFixed(2)} ms, ${result.ratio.toFixed(0)} times`);
  return result;
}

function shares(efforts: Effort[]): ScanShares {
  const sum = (name: keyof Effort) => efforts.reduce((total, effort) => total + effort[name], 0);
  const share = (part: number, whole: number) => (whole > 0 ? (100 * part) / whole : 0);
  const sequentialScans = share(sum("sequential"), sum("scans"));
  const largeSequentialScans = share(sum("largeSequential"), sum("largeScans"));
  return {
    ...{ indexUsage: 100 - sequentialScans, sequentialScans },
    ...{ largeIndexUsage: 100 - largeSequentialScans, largeSequentialScans },
  };
}

async function comparePools(databases: Databases, requests: Request[], results: RequestResult[]) {
  const rate = rateFor(
    requests,
    results.map(({ before }) => before.p50),
  );
  say(`  both pools at ${rate.toFixed(1)} requests a second, ${offerSeconds} s each`);
  const run = (side: "before" | "after") =>
    offer(
      (side === "before" ? plainPool : toolkitPool)(databases[side]),
      requests.map((request) => request[side]),
      { rate, seconds: offerSeconds, cancel: () => cancelAll(databases, side) },
    );
  return { before: await run("before"), after: await run("after") };
}

/** Ends the statements that still run, so that nobody waits minutes for what is no longer counted. */
async function cancelAll(databases: Databases, side: "before" | "after"): Promise<void> {
  const client = await connect(databases[side], { applicationName: "headline" });
  await client.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and application_name <> 'headline keeps'`,
  );
  await client.end();
}

async function sizesOf(client: pg.Client): Promise<Headline["sizes"]> {
  const { rows } = await client.query(`
    select (select count(*) from price_history)::float8 as prices,
           (select count(*) from technical_indicators)::float8 as indicators,
           (select count(*) from recommendations)::float8 as recommendations,
           (select count(*) from api_usage)::float8 as "apiCalls"`);
  return rows[0];
}
