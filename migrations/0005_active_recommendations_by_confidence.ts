import type { MigrationBuilder } from "node-pg-migrate";

/** The best active recommendations, page by page: the id breaks ties, so that a page can start after the last one. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql(`
    create index concurrently if not exists recommendations_active_confidence_idx
      on recommendations (confidence desc, id desc) where is_active;`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql("drop index concurrently if exists recommendations_active_confidence_idx;");
}
