import pg from "pg";

/** What is summed up of prices, in the order of the refresh. */
export const views = ["daily_market_summary", "weekly_price_summary"] as const;

/**
 * Brings the summaries up to date with price_history: one that is a table by the days that changed, a materialized view
 * as a whole. Readers go on reading the old rows meanwhile, except of a view that was never filled, which nobody can read
 * and PostgreSQL cannot refresh concurrently.
 * @see https://www.postgresql.org/docs/current/sql-refreshmaterializedview.html
 */
export async function refreshViews(client: pg.ClientBase): Promise<void> {
  for (const view of views) {
    const name = pg.escapeIdentifier(view);
    const { rows } = await client.query<{ kind: string; filled: boolean; noted: boolean; started: string }>(
      `select relkind as kind, relispopulated as filled, to_regclass('summary_refresh') is not null as noted,
              clock_timestamp()::text as started
       from pg_class where oid = to_regclass($1)`,
      [view],
    );
    const found = rows[0];
    if (found?.kind === "r") {
      await client.query(`select ${pg.escapeIdentifier(`refresh_${view}`)}()`);
      continue;
    }
    await client.query(`refresh materialized view ${found?.filled ? "concurrently" : ""} ${name}`);
    // As of the moment before it: what was written meanwhile may not be in it.
    if (found?.noted)
      await client.query("update summary_refresh set refreshed_at = $2 where name = $1", [view, found.started]);
  }
}
