import type pg from "pg";
import { applyMigrations } from "../../../../toolkit/migrate/apply.ts";
import { type Assessment, type AssessOptions, assess, type Hazard } from "../../../../toolkit/migrate/assess.ts";
import { readMigrations } from "../../../../toolkit/migrate/files.ts";
import { makePlan, readSituation } from "../../../../toolkit/migrate/plan.ts";
import { type Folder, makeDatabase, makeFolder, sql } from "../support.ts";

/** More than the number of rows from which on a table counts as big. */
export const manyRows = 120_000;

/** A database with a big table, a small one and an empty one, that a first migration has made. */
export async function makeShop(first = tables) {
  const [database, folder] = [await makeDatabase(), await makeFolder({ "0001_tables.sql": sql(first) })];
  await applyMigrations(database.connection, { directory: folder.directory });
  return { ...database, folder };
}

export const tables = `
  create table orders (id int, customer_id int, note varchar(10), placed date);
  create index orders_by_placed on orders (placed);
  create table customers (id int primary key, name text)`;

/** Fills `orders`, and lets PostgreSQL count. */
export async function fill(client: pg.Client): Promise<void> {
  await client.query(`insert into orders select g, 1, 'x', '2020-01-01' from generate_series(1, ${manyRows}) g`);
  await client.query("insert into customers values (1, 'one')");
  await client.query("vacuum analyze orders, customers");
}

/** What the plan says of one more migration, which is not applied. */
export async function assessNext(
  { client, folder }: { client: pg.Client; folder: Folder },
  files: Record<string, string>,
  options: AssessOptions = {},
): Promise<Assessment> {
  await folder.write(files);
  try {
    const all = await readMigrations(folder.directory);
    const situation = await readSituation(client);
    const { pending } = makePlan(folder.directory, all, situation);
    return await assess({ client, situation }, all, pending, options);
  } finally {
    for (const name of Object.keys(files)) await folder.remove(name);
  }
}

/** The hazards of a plan, each as its severity and its rule. */
export function shortHazards({ migrations }: Assessment): string[] {
  return migrations.flatMap(({ hazards }) => hazards.map(shortHazard));
}

function shortHazard({ severity, rule, relation }: Hazard): string {
  return `${severity}: ${rule}${relation === null ? "" : ` on ${relation}`}`;
}
