import type { MigrationBuilder } from "node-pg-migrate";

/** The cost of a span of time by provider, from the index alone. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql(`
    create index concurrently if not exists api_usage_called_at_cost_idx
      on api_usage (called_at) include (provider, cost, tokens);`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql("drop index concurrently if exists api_usage_called_at_cost_idx;");
}
