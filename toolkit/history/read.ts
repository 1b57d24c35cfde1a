import type { Queryable } from "../queryable.ts";
import { requireHistory } from "./schema.ts";
import { type Tier, tiers } from "./tiers.ts";
import { day } from "./times.ts";

/** A number of one moment, or of the time up to it. */
export interface Point {
  /** Milliseconds since 1970. */
  at: number;
  /** The number, or the mean of that time; of a counter, the one at its end. */
  value: number;
  /** The largest of that time. */
  most: number;
}

/** What was recorded of one thing, in the order of time. */
export interface Series {
  metric: string;
  object: string;
  label: string | null;
  counter: boolean;
  points: Point[];
}

/** What to read. */
export interface Asked {
  metrics: readonly string[];
  object?: string | undefined;
  /** Milliseconds since 1970. */
  since: number;
  until?: number;
}

// A day of seconds, two weeks of minutes: as many points as a plot shows, or a test needs.
const longest = { sample: 26 * 3_600_000, sample_5_minutes: 15 * day, sample_hour: Number.POSITIVE_INFINITY };

/**
 * Reads what was recorded, as finely as its age deserves; the latest, which is not made coarser yet, as it is.
 * @throws UserError where nothing was ever recorded
 */
export async function readSeries(client: Queryable, asked: Asked): Promise<Series[]> {
  await requireHistory(client);
  const { metrics, object = null, since, until = Number.POSITIVE_INFINITY } = asked;
  const { rows: policy } = await client.query<{ tier: string; keep: number; held: number }>(
    `select tier, extract(epoch from keep)::float8 * 1000 as keep,
            coalesce(extract(epoch from rolled_until)::float8 * 1000, 0) as held
     from monitoring.policy`,
  );
  const of = new Map(policy.map((row) => [row.tier, row]));
  const age = Date.now() - since;
  const fits = ({ table }: Tier) => age <= Math.min(longest[table], of.get(table)?.keep ?? 0);
  const coarsest = tiers.find(fits) ?? tiers.at(-1)!;
  const chosen = tiers.slice(0, tiers.indexOf(coarsest) + 1);
  // Where one tier ends that was made coarser, the next finer one goes on.
  const parts = chosen.map(({ table }, index) => {
    const held = chosen.slice(index + 1).map((coarser) => of.get(coarser.table)?.held ?? 0);
    const from = Math.max(since, ...held) / 1000;
    return `select taken_at, series, value, most from monitoring.${table} where taken_at > to_timestamp(${from})`;
  });
  const { rows } = await client.query<Omit<Series, "points"> & { at: number[]; values: number[]; most: number[] }>(
    `select s.metric, s.object, s.label, s.counter,
            array_agg(extract(epoch from t.taken_at)::float8 * 1000 order by t.taken_at) as at,
            array_agg(u.value order by t.taken_at) as values,
            array_agg(coalesce(u.most, u.value) order by t.taken_at) as most
     from (${parts.join(" union all ")}) t
     cross join lateral unnest(t.series, t.value, t.most) as u (id, value, most)
     join monitoring.series s on s.id = u.id
     where s.metric = any ($1) and ($2::text is null or s.object = $2) and t.taken_at <= to_timestamp($3)
     group by s.id order by s.metric, s.object`,
    [metrics, object, until / 1000],
  );
  return rows.map(({ at, values, most, ...series }) => ({
    ...series,
    points: at.map((moment, index) => ({ at: moment, value: values[index]!, most: most[index]! })),
  }));
}

/** What a counter counted between two moments; after a reset, what it has counted since. */
export function increases(points: readonly Point[]): { from: number; to: number; amount: number }[] {
  return points.slice(1).map(({ at, value }, index) => {
    const before = points[index]!;
    return { from: before.at, to: at, amount: value >= before.value ? value - before.value : value };
  });
}
