import type pg from "pg";
import type { CriticalQuery } from "./criticalQueries.ts";
import type { Finding } from "./validate.ts";

/** How a critical query was carried out. */
export interface SeenQuery {
  name: string;
  /** The values it was asked with, so that it is asked the same again. */
  parameters: unknown[];
  /** Indexes in its plan. */
  indexes: string[];
  /** Bytes of the tables that its plan reads from end to end. */
  scanned: number;
  /** The best time of several, in milliseconds; null where it takes longer than is waited for. */
  milliseconds: number | null;
}

/** How far looking at queries may go, and what counts as worse. */
export interface QueryLimits {
  /** How many times slower than before is too slow. */
  slowdownFactor: number;
  /** Milliseconds: a query that is faster than this is fast enough, whatever it was before. */
  floor: number;
  /** Milliseconds after which an attempt is cancelled. */
  timeout: number;
}

export const defaultQueryLimits: QueryLimits = { slowdownFactor: 3, floor: 50, timeout: 5_000 };

// The first run may find its data on disk, and a machine has other things to do.
const tries = 3;
// Below a hundred blocks PostgreSQL rightly reads a table from end to end
// (https://www.postgresql.org/docs/current/indexes-examine.html: "small tables").
const smallTable = 100 * 8192;

interface PlanNode {
  "Node Type": string;
  "Index Name"?: string;
  "Relation Name"?: string;
  Schema?: string;
  Plans?: PlanNode[];
}

/**
 * Explains and times the queries whose tables are there.
 * @param before asks with the same values as then, and only what was asked then
 */
export async function lookAtQueries(
  client: pg.ClientBase,
  queries: readonly CriticalQuery[],
  limits: QueryLimits,
  before?: readonly SeenQuery[],
): Promise<SeenQuery[]> {
  const seen: SeenQuery[] = [];
  for (const query of queries) {
    const then = before?.find(({ name }) => name === query.name);
    if (before && !then) continue;
    // Only reads, and never for long; an error is that of the query, which a schema on its way may not fit.
    await client.query(`begin read only; set local statement_timeout to ${Math.trunc(limits.timeout)}`);
    try {
      const parameters = then?.parameters ?? (await parametersFor(client, query));
      if (parameters) seen.push(await lookAt(client, query, parameters));
    } catch (error) {
      if (!(error as { code?: string }).code) throw error;
    } finally {
      await client.query("rollback").catch(() => {});
    }
  }
  return seen;
}

async function parametersFor(client: pg.ClientBase, query: CriticalQuery): Promise<unknown[] | undefined> {
  const { rows } = await client.query(
    "select bool_and(to_regclass('public.' || quote_ident(t)) is not null) as present from unnest($1::text[]) t",
    [query.tables],
  );
  if (!rows[0].present) return undefined;
  if (!query.parameters) return [];
  // As text, so that the same values go into the journal and come out of it.
  const found = await client.query(`select to_json(p) as values from (${query.parameters}) p`);
  return found.rows[0] && Object.values(found.rows[0].values as Record<string, unknown>);
}

async function lookAt(client: pg.ClientBase, query: CriticalQuery, parameters: unknown[]): Promise<SeenQuery> {
  const { rows } = await client.query(`explain (format json, verbose) ${query.sql}`, parameters);
  const nodes = nodesOf(rows[0]["QUERY PLAN"][0].Plan);
  const scans = nodes.filter((node) => node["Node Type"] === "Seq Scan");
  const { rows: sizes } = await client.query(
    `select coalesce(sum(pg_relation_size(to_regclass(t))), 0)::float8 as bytes
     from (select distinct unnest($1::text[]) as t) as scanned`,
    [scans.map((node) => `"${node.Schema}"."${node["Relation Name"]}"`)],
  );
  return {
    name: query.name,
    parameters,
    indexes: [...new Set(nodes.flatMap((node) => node["Index Name"] ?? []))].sort(),
    scanned: sizes[0].bytes,
    milliseconds: await bestTime(client, query, parameters),
  };
}

async function bestTime(client: pg.ClientBase, query: CriticalQuery, parameters: unknown[]): Promise<number | null> {
  let best: number | null = null;
  await client.query("savepoint timing");
  try {
    for (let tried = 0; tried < tries; tried++) {
      const { rows } = await client.query(`explain (analyze, timing off, format json) ${query.sql}`, parameters);
      const time: number = rows[0]["QUERY PLAN"][0]["Execution Time"];
      best = best === null ? time : Math.min(best, time);
    }
  } catch (error) {
    if ((error as { code?: string }).code !== "57014") throw error;
    await client.query("rollback to timing");
  }
  return best;
}

function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

/** Queries that lost their index, or became too slow. */
export function queryFindings(
  before: readonly SeenQuery[],
  after: readonly SeenQuery[],
  limits: QueryLimits,
): Finding[] {
  const now = new Map(after.map((query) => [query.name, query]));
  return before.flatMap((was): Finding[] => {
    const is = now.get(was.name);
    if (!is)
      return [
        {
          check: "critical-query",
          fails: true,
          what: `the critical query "${was.name}" fails`,
          why: "It worked before these migrations.",
          fix: "Keep what it reads, or change it in toolkit/migrate/criticalQueries.ts together with the application.",
        },
      ];
    const found: Finding[] = [];
    if (was.indexes.length > 0 && is.indexes.length === 0 && is.scanned > smallTable)
      found.push({
        check: "critical-query",
        fails: true,
        what: `the critical query "${was.name}" uses no index any more`,
        why: `Before it used ${was.indexes.join(", ")}; now it reads ${Math.round(is.scanned / 1024 ** 2)} MB from end to end.`,
        fix: "Give it an index in the same migrations.",
      });
    const least = Math.max(limits.floor, limits.slowdownFactor * (was.milliseconds ?? Number.POSITIVE_INFINITY));
    if ((is.milliseconds ?? limits.timeout) > least)
      found.push({
        check: "critical-query",
        fails: true,
        what: `the critical query "${was.name}" takes ${timeOf(is, limits)}, and took ${timeOf(was, limits)} before`,
        why: `More than ${limits.slowdownFactor} times as long is too slow (database:slowdownFactor).`,
        fix: "Give it an index, or raise database:slowdownFactor if this is meant.",
      });
    return found;
  });
}

const timeOf = ({ milliseconds }: SeenQuery, { timeout }: QueryLimits) =>
  milliseconds === null ? `more than ${timeout} ms` : `${milliseconds.toFixed(1)} ms`;
