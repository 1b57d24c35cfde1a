import type { MigrationBuilder } from "node-pg-migrate";

/** The latest indicators of a stock; and one row a day, which their recomputation relies on. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql(`
    create unique index concurrently if not exists technical_indicators_stock_id_date_key
      on technical_indicators (stock_id, date desc);`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql("drop index concurrently if exists technical_indicators_stock_id_date_key;");
}
