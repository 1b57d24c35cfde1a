import type pg from "pg";
import { dropDay, expiredDays, makeDays } from "./days.ts";
import { rollUp } from "./rollUp.ts";
import { hasHistory } from "./schema.ts";
import type { Tier } from "./tiers.ts";

/** How long each tier is kept, as an interval of PostgreSQL: {"sample": "1 day"}. */
export type HistoryPolicy = Partial<Record<Tier["table"], string>>;

/** What pruning did. */
export interface Pruned {
  /** Partitions that were dropped. */
  dropped: string[];
  /** Partitions that are due, but were in use: the next run takes them. */
  left: string[];
  /** Series of which nothing is left: statements and tables that are gone. */
  forgotten: number;
}

/**
 * Makes the coarser samples that are due, and removes what is older than the table monitoring.policy keeps. Nothing is
 * lost that the next tier does not hold. Does nothing where there is no history.
 * @param client a session that is not in a transaction
 * @param policy wins over the table for this run
 */
export async function pruneHistory(
  client: pg.ClientBase,
  policy: HistoryPolicy = {},
  options: { dryRun?: boolean } = {},
): Promise<Pruned> {
  if (!(await hasHistory(client))) return { dropped: [], left: [], forgotten: 0 };
  if (!options.dryRun) await rollUp(client);
  const [dropped, left] = [[] as string[], [] as string[]];
  for (const day of await expiredDays(client, policy))
    (options.dryRun || (await dropDay(client, day)) ? dropped : left).push(day.name);
  if (options.dryRun) return { dropped, left, forgotten: 0 };
  const { rowCount } = await client.query(
    `delete from monitoring.series
     where seen_on < current_date - (select max(coalesce(($1::jsonb ->> tier)::interval, keep)) + interval '1 month'
                                     from monitoring.policy)`,
    [JSON.stringify(policy)],
  );
  return { dropped, left, forgotten: rowCount ?? 0 };
}

/** What the recorder does beside recording: partitions ahead, coarser samples, and pruning. */
export async function tidyHistory(client: pg.ClientBase): Promise<void> {
  await makeDays(client);
  await pruneHistory(client);
}
