import type { MigrationBuilder } from "node-pg-migrate";

/** Sector analysis: the stocks of a sector; also the foreign key to sectors. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql(`
    create index concurrently if not exists stocks_sector_id_idx
      on stocks (sector_id);`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql("drop index concurrently if exists stocks_sector_id_idx;");
}
