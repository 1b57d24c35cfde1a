import type { MigrationBuilder } from "node-pg-migrate";

/** The latest fundamentals of a stock; also the foreign key to stocks, and one row a period. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql(`
    create unique index concurrently if not exists fundamentals_stock_id_period_end_key
      on fundamentals (stock_id, period_end desc);`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql("drop index concurrently if exists fundamentals_stock_id_period_end_key;");
}
