import pg from "pg";

/** The materialized views of the application, in the order of their refresh. */
export const views = ["daily_market_summary", "weekly_price_summary"] as const;

/**
 * Brings the materialized views up to date with price_history. Readers go on reading the old rows meanwhile, except of
 * a view that was never filled, which nobody can read and PostgreSQL cannot refresh concurrently.
 * @see https://www.postgresql.org/docs/current/sql-refreshmaterializedview.html
 */
export async function refreshViews(client: pg.ClientBase): Promise<void> {
  for (const view of views) {
    const { rows } = await client.query<{ filled: boolean }>(
      "select relispopulated as filled from pg_class where oid = to_regclass($1)",
      [view],
    );
    const how = rows[0]?.filled ? "concurrently" : "";
    await client.query(`refresh materialized view ${how} ${pg.escapeIdentifier(view)}`);
  }
}
