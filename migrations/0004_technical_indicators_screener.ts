import type { MigrationBuilder } from "node-pg-migrate";

/** The screener: on one day, the stocks whose RSI is in a range. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql(`
    create index concurrently if not exists technical_indicators_date_rsi_14_idx
      on technical_indicators (date, rsi_14);`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql("drop index concurrently if exists technical_indicators_date_rsi_14_idx;");
}
