import type { MigrationBuilder } from "node-pg-migrate";

/** Who watches a stock: the foreign key to stocks. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql(`
    create index concurrently if not exists watchlist_items_stock_id_idx
      on watchlist_items (stock_id);`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql("drop index concurrently if exists watchlist_items_stock_id_idx;");
}
