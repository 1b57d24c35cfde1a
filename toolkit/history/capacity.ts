import { docs } from "../monitor/sources.ts";
import type { Queryable } from "../queryable.ts";
import { type Outlook, outlook } from "./outlook.ts";
import { readSeries, type Series } from "./read.ts";
import { day } from "./times.ts";

/** When a resource runs out. */
export interface Forecast extends Outlook {
  resource: string;
  /** The metric that it was foretold from. */
  metric: string;
  /** The database or the sequence; empty for the whole server. */
  object: string;
  unit: string;
  /** The last number. */
  value: number;
  /** null where it is not known. */
  limit: number | null;
  /** The days of the outlook as ISO dates in UTC. */
  at: string | null;
  earliest: string | null;
  latest: string | null;
  /** What runs out, and what helps. */
  what: string;
  fix: string;
}

interface Resource {
  name: string;
  metric: string;
  unit: string;
  /** The number that may not be reached. */
  limit: number | { metric: string } | "disk";
  what: string;
  fix: string;
  source: string;
}

// The server takes no more ids three million before they come round.
const lastId = 2 ** 31 - 3_000_000;

/** What may run out. */
export const resources: readonly Resource[] = [
  {
    ...{ name: "disk", metric: "size.databases", unit: "bytes", limit: "disk" },
    what: "PostgreSQL stops when it cannot write.",
    fix: "Enlarge the disk, or find what grows: toolkit trends table.bytes; runbook disk-nearly-full.",
    source: `${docs}/disk-full.html`,
  },
  {
    ...{ name: "connections", metric: "connections.used", unit: "sessions", limit: { metric: "connections.limit" } },
    what: "Clients are refused.",
    fix: "Make pools smaller, or put PgBouncer before the server: toolkit tune; runbook pool-exhausted.",
    source: `${docs}/runtime-config-connection.html#GUC-MAX-CONNECTIONS`,
  },
  {
    ...{ name: "transaction ids", metric: "transactionIds.age", unit: "ids", limit: lastId },
    what: "The server accepts no writes; vacuum frees ids before, unless it is held back.",
    fix: "Ask toolkit check wraparound transactions replication; runbook wraparound-near.",
    source: `${docs}/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND`,
  },
  {
    ...{ name: "multixact ids", metric: "multixactIds.age", unit: "ids", limit: lastId },
    what: "The server accepts no writes that lock rows for several; vacuum frees ids before, unless it is held back.",
    fix: "Ask toolkit check wraparound transactions; runbook wraparound-near.",
    source: `${docs}/routine-vacuuming.html#VACUUM-FOR-MULTIXACT-WRAPAROUND`,
  },
  {
    ...{ name: "sequence", metric: "sequence.usedPercent", unit: "%", limit: 100 },
    what: "Every insert that takes its next value fails.",
    fix: "Make the column and the sequence bigint: toolkit check sequences tells how.",
    source: `${docs}/datatype-numeric.html#DATATYPE-SERIAL`,
  },
];

/**
 * Forecasts when each resource runs out.
 * @param options.since where the history that counts begins, in milliseconds since 1970
 * @param options.diskBytes the size of the disk, which SQL cannot see; undefined where nobody has told
 * @throws UserError where nothing was ever recorded
 */
export async function forecast(
  client: Queryable,
  options: { since: number; diskBytes?: number | undefined },
): Promise<Forecast[]> {
  const limits = resources.flatMap(({ limit }) => (typeof limit === "object" ? [limit.metric] : []));
  const series = await readSeries(client, {
    metrics: [...resources.map(({ metric }) => metric), ...limits],
    since: options.since,
  });
  return resources.flatMap((resource) =>
    series
      .filter(({ metric, points }) => metric === resource.metric && points.length > 0)
      .map((one) => forecastOf(resource, one, limitOf(resource, series, options.diskBytes))),
  );
}

function limitOf({ limit }: Resource, series: readonly Series[], diskBytes?: number): number | undefined {
  if (limit === "disk") return diskBytes || undefined;
  if (typeof limit === "number") return limit;
  return series.find(({ metric }) => metric === limit.metric)?.points.at(-1)?.value;
}

function forecastOf({ name, metric, unit, what, fix }: Resource, { object, points }: Series, limit?: number): Forecast {
  const last = points.at(-1)!;
  const found = outlook(
    points.map(({ at, most }) => ({ t: at / day, y: most })),
    limit,
  );
  const date = (days: number | null) => (days === null ? null : new Date(last.at + days * day).toISOString());
  return {
    ...{ resource: name, metric, object, unit, value: last.value, limit: limit ?? null },
    ...found,
    ...{ at: date(found.days), earliest: date(found.earliestDays), latest: date(found.latestDays), what, fix },
  };
}
