import type { Queryable } from "../queryable.ts";

/** How old a summary of prices is. */
export interface Staleness {
  name: string;
  /** When it was last brought up to date; null: not since it is kept by the days that changed. */
  refreshedAt: Date | null;
  /** Statements that changed prices and are not in it yet. */
  waiting: number;
  /** When the first of them ended; null where there is none. */
  staleSince: Date | null;
}

/** Tells how stale each summary is that derives from prices; nothing of a database whose schema does not tell it. */
export async function summaryStaleness(client: Queryable): Promise<Staleness[]> {
  const { rows: found } = await client.query("select to_regclass('summary_staleness') is not null as told");
  if (!found[0].told) return [];
  const { rows } = await client.query<Staleness>(
    `select name, refreshed_at as "refreshedAt", waiting, stale_since as "staleSince" from summary_staleness order by name`,
  );
  return rows;
}
