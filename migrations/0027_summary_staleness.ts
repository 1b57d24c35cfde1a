import type { MigrationBuilder } from "node-pg-migrate";

/** A view that tells how stale each summary of prices is: to any client, by one query. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.sql(`
    create view summary_staleness as
    select r.name, r.refreshed_at, count(c.days)::integer as waiting, min(c.changed_at) as stale_since
    from summary_refresh r
    left join summary_change c on r.name = any (c.summaries)
    group by r.name;
    comment on view summary_staleness is
      'per summary of prices: when it was brought up to date, statements that changed prices since, and when the first did';`);
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.sql("drop view summary_staleness;");
}
