import type { MigrationBuilder } from "node-pg-migrate";

/** The latest price and the history of a stock; and one price a day, which the loader's ON CONFLICT relies on. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql(`
    create unique index concurrently if not exists price_history_stock_id_date_key
      on price_history (stock_id, date desc);`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql("drop index concurrently if exists price_history_stock_id_date_key;");
}
