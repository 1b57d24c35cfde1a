import type { Queryable } from "../queryable.ts";

/** How old a summary of prices is. */
export interface Staleness {
  name: string;
  /** When it was last brought up to date; null: not since that is noted. */
  refreshedAt: Date | null;
  /** Statements that changed prices and are not in it yet; null where nobody notes them for it. */
  waiting: number | null;
}

/** Tells how stale each summary is that derives from prices; nothing of a database whose schema has none. */
export async function summaryStaleness(client: Queryable): Promise<Staleness[]> {
  const { rows: found } = await client.query("select to_regclass('summary_refresh') is not null as kept");
  if (!found[0].kept) return [];
  const { rows } = await client.query<Staleness>(
    `select name, refreshed_at as "refreshedAt",
            case name when 'daily_market_summary' then (select count(*)::int from summary_change) end as waiting
     from summary_refresh order by name`,
  );
  return rows;
}
