import type { MigrationBuilder } from "node-pg-migrate";

/** The last known rate limit of a provider: most calls do not tell one. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql(`
    create index concurrently if not exists api_usage_rate_limit_idx
      on api_usage (provider, called_at desc) include (rate_limit, rate_limit_remaining, rate_limit_resets_at)
      where rate_limit is not null;`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  pgm.sql("drop index concurrently if exists api_usage_rate_limit_idx;");
}
