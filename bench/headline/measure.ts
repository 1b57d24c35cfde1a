import { performance } from "node:perf_hooks";
import type pg from "pg";
import { percentile } from "../../toolkit/statistics.ts";

/** Latencies of one request, in milliseconds. */
export interface Latencies {
  runs: number;
  p50: number;
  p95: number;
  p99: number;
}

export function latencies(times: readonly number[]): Latencies {
  return { runs: times.length, p50: percentile(times, 50), p95: percentile(times, 95), p99: percentile(times, 99) };
}

/** Runs something again and again, at least once, until the runs or the seconds are used up. */
export async function repeat(
  work: () => Promise<unknown>,
  limit: { runs: number; seconds: number },
): Promise<Latencies> {
  const times: number[] = [];
  const end = performance.now() + limit.seconds * 1000;
  do {
    const started = performance.now();
    await work();
    times.push(performance.now() - started);
  } while (times.length < limit.runs && performance.now() < end);
  return latencies(times);
}

/** What the server did for some work: read from its statistics, which count every backend of the database. */
export interface Effort {
  /** Pages of 8 kB that were touched, in shared buffers or not. */
  buffers: number;
  /** Scans of tables, and of those the ones that read a table from end to end. */
  scans: number;
  sequential: number;
  /** The same for tables of more than a hundred pages: a small one is best read whole. */
  largeScans: number;
  largeSequential: number;
}

const largePages = 100;

async function counters(client: pg.ClientBase): Promise<Effort> {
  // Other backends send their counts when they have been idle for a second, or end; parallel workers end.
  await client.query("select pg_stat_force_next_flush()");
  await client.query("select pg_stat_clear_snapshot()");
  const { rows } = await client.query(
    `select (select blks_hit + blks_read from pg_stat_database where datname = current_database())::float8 as buffers,
            coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0)::float8 as scans, coalesce(sum(seq_scan), 0)::float8 as sequential,
            coalesce(sum(seq_scan + coalesce(idx_scan, 0)) filter (where relpages > $1), 0)::float8 as "largeScans",
            coalesce(sum(seq_scan) filter (where relpages > $1), 0)::float8 as "largeSequential"
     from pg_stat_user_tables s join pg_class c on c.oid = s.relid`,
    [largePages],
  );
  return rows[0];
}

/** The effort of `work`, which runs on the same session. */
export async function effortOf(client: pg.ClientBase, work: () => Promise<unknown>): Promise<Effort> {
  // The first look of a session also reads the catalog.
  await counters(client);
  const start = await counters(client);
  const own = await counters(client);
  await work();
  const end = await counters(client);
  const names = Object.keys(end) as (keyof Effort)[];
  // Looking costs buffers too: as many as between the first two looks.
  return Object.fromEntries(
    names.map((name) => [
      name,
      Math.max(end[name] - own[name] - (name === "buffers" ? own[name] - start[name] : 0), 0),
    ]),
  ) as unknown as Effort;
}

/** The scans in the plans of what `work` sends, as "Seq Scan on price_history", with their number. */
export async function planShape(
  client: pg.ClientBase,
  work: (client: pg.ClientBase) => Promise<unknown>,
): Promise<string[]> {
  const sent: { text: string; values: unknown[] }[] = [];
  const original = client.query;
  // The statements are wanted, as they are sent: a session that notes them on the way.
  client.query = ((first: unknown, values?: unknown[]) => {
    const config = first as { text?: string; values?: unknown[]; cursor?: { text: string; values: unknown[] } } & {
      values?: unknown[];
    };
    if (typeof first === "string") sent.push({ text: first, values: values ?? [] });
    else if (config.text !== undefined) sent.push({ text: config.text, values: values ?? config.values ?? [] });
    return (original as (...args: unknown[]) => unknown).call(client, first, ...(values ? [values] : []));
  }) as typeof client.query;
  try {
    await work(client);
  } finally {
    client.query = original;
  }
  const shapes = new Map<string, number>();
  const plans = new Map<string, string[]>();
  for (const { text, values } of sent) {
    if (!plans.has(text)) {
      const { rows } = await client.query(`explain (format json) ${text}`, values);
      plans.set(text, scansOf(rows[0]["QUERY PLAN"][0].Plan));
    }
    for (const scan of plans.get(text)!) shapes.set(scan, (shapes.get(scan) ?? 0) + 1);
  }
  return [...shapes].map(([scan, times]) => (times > 1 ? `${scan} (${times} times)` : scan));
}

interface PlanNode {
  "Node Type": string;
  "Relation Name"?: string;
  Plans?: PlanNode[];
}

/** Partitions of one table count as one, by the name before their month. */
function scansOf(plan: PlanNode): string[] {
  const found = new Set<string>();
  (function visit(node: PlanNode): void {
    const table = node["Relation Name"]?.replace(/_\d{4}_\d{2}$/, "");
    if (table) found.add(`${node["Node Type"]} on ${table}`);
    for (const child of node.Plans ?? []) visit(child);
  })(plan);
  return [...found];
}
