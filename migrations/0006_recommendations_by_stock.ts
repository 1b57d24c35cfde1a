import type { MigrationBuilder } from "node-pg-migrate";

/** What was recommended for a stock, newest first; also the foreign key to stocks. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql(`
    create index concurrently if not exists recommendations_stock_id_created_at_idx
      on recommendations (stock_id, created_at desc);`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql("drop index concurrently if exists recommendations_stock_id_created_at_idx;");
}
