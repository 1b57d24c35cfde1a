import type { MigrationBuilder } from "node-pg-migrate";

/** Who holds a stock: the foreign key to stocks, without which removing a stock reads every holding. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql(`
    create index concurrently if not exists holdings_stock_id_idx
      on holdings (stock_id);`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql("drop index concurrently if exists holdings_stock_id_idx;");
}
