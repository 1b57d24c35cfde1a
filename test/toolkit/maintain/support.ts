import type pg from "pg";
import type { MaintainOptions } from "../../../toolkit/maintain/maintain.ts";
import { maintain } from "../../../toolkit/maintain/maintain.ts";
import type { Report } from "../../../toolkit/maintain/report.ts";
import type { TestDatabase } from "../../support/database.ts";

/** Runs maintenance on a test's database. */
export function run({ connection }: TestDatabase, options: Partial<MaintainOptions> = {}): Promise<Report> {
  return maintain(connection, { backup: { kind: "auto", directory: "" }, ...options });
}

/** The steps of a report, without what differs from run to run. */
export function stepsOf({ steps }: Report) {
  return steps.map(({ task, object, result }) => [task, object, result]);
}

/** Runs statements, each a transaction of its own, as vacuum wants it. */
export async function all(client: pg.Client, statements: readonly string[]): Promise<void> {
  for (const sql of statements) await client.query(sql);
}

/**
 * A table whose vacuum takes some ten seconds at a low I/O budget: it sleeps at every page that it makes dirty, which those
 * are not that are dirty already.
 */
export const slowTable = [
  "create table slow (id int, note text) with (autovacuum_enabled = off)",
  "insert into slow select n, repeat('x', 300) from generate_series(1, 30000) n",
  "select pg_stat_force_next_flush()",
  "analyze slow",
  "delete from slow where id % 2 = 0",
  "select pg_stat_force_next_flush()",
  "checkpoint",
];
