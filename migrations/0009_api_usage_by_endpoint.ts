import type { MigrationBuilder } from "node-pg-migrate";

/** The latest calls of a provider's endpoint. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql(`
    create index concurrently if not exists api_usage_provider_endpoint_called_at_idx
      on api_usage (provider, endpoint, called_at desc);`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql("drop index concurrently if exists api_usage_provider_endpoint_called_at_idx;");
}
