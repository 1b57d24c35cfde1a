import type { MigrationBuilder } from "node-pg-migrate";

/** What a portfolio holds; a stock may stand in it several times, once for each purchase. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql(`
    create index concurrently if not exists holdings_portfolio_id_stock_id_idx
      on holdings (portfolio_id, stock_id);`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql("drop index concurrently if exists holdings_portfolio_id_stock_id_idx;");
}
