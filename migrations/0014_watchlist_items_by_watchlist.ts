import type { MigrationBuilder } from "node-pg-migrate";

/** What is on a watchlist, each stock once. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql(`
    create unique index concurrently if not exists watchlist_items_watchlist_id_stock_id_key
      on watchlist_items (watchlist_id, stock_id);`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql("drop index concurrently if exists watchlist_items_watchlist_id_stock_id_key;");
}
