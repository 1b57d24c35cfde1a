import pg from "pg";

/** What is summed up of prices, in the order of the refresh. */
export const views = ["daily_market_summary", "weekly_price_summary"] as const;

/**
 * Brings the summaries up to date with price_history: a table by the days that changed, a materialized view of an earlier
 * schema as a whole. Readers go on reading the old rows meanwhile, except of a view that was never filled, which nobody
 * can read and PostgreSQL cannot refresh concurrently.
 * @see https://www.postgresql.org/docs/current/sql-refreshmaterializedview.html
 */
export async function refreshViews(client: pg.ClientBase): Promise<void> {
  for (const view of views) {
    const { rows } = await client.query<{ kind: string; filled: boolean }>(
      "select relkind as kind, relispopulated as filled from pg_class where oid = to_regclass($1)",
      [view],
    );
    const [found] = rows;
    await client.query(
      found?.kind === "r"
        ? `select ${pg.escapeIdentifier(`refresh_${view}`)}()`
        : `refresh materialized view ${found?.filled ? "concurrently" : ""} ${pg.escapeIdentifier(view)}`,
    );
  }
}
