import { randomBytes } from "node:crypto";
import pg from "pg";
import { type Connection, connect, parseConnectionString } from "../../toolkit/connection.ts";

/** A database of a test's own. */
export interface TestDatabase {
  connection: Connection;
  /** One session in it, open until `drop`. */
  client: pg.Client;
  /** Closes the session and removes the database, whoever is still in it. */
  drop(): Promise<void>;
}

const headTemplate = "template_head";
// The advisory lock under which one test file of a run makes the template, and the others wait for it.
const templateLock = 7_301_001;

/**
 * Makes a database on the run's PostgreSQL.
 * @param options.template "empty" (the default), or "head": a copy of a database with every migration applied, which
 *   the first test file that asks for it makes
 */
export async function createDatabase(options: { template?: "empty" | "head" } = {}): Promise<TestDatabase> {
  const server = testServer();
  const name = `test_${randomBytes(6).toString("hex")}`;
  const template = options.template === "head" ? headTemplate : "template0";
  await asAdministrator(async (admin) => {
    if (options.template === "head") await ensureHead(admin, { ...server, database: headTemplate });
    await admin.query(`create database ${pg.escapeIdentifier(name)} template ${pg.escapeIdentifier(template)}`);
  });
  const connection = { ...server, database: name };
  const client = await connect(connection, { applicationName: "test" });
  return {
    connection,
    client,
    async drop() {
      await client.end();
      await asAdministrator((admin) =>
        admin.query(`drop database if exists ${pg.escapeIdentifier(name)} with (force)`),
      );
    },
  };
}

/** The superuser's connection to the run's PostgreSQL. */
export function testServer(): Connection {
  const url = process.env.TEST_DATABASE_URL;
  if (!url) throw new Error("TEST_DATABASE_URL is not set: jest's globalSetup has not run");
  return parseConnectionString(url);
}

async function asAdministrator(work: (admin: pg.Client) => Promise<unknown>): Promise<void> {
  const admin = await connect(testServer(), { applicationName: "test administrator" });
  try {
    await work(admin);
  } finally {
    await admin.end();
  }
}

/** Makes the template under another name first, so that a file that fails halfway leaves none. */
async function ensureHead(admin: pg.Client, template: Connection): Promise<void> {
  await admin.query("select pg_advisory_lock($1)", [templateLock]);
  try {
    const found = await admin.query("select from pg_database where datname = $1", [template.database]);
    if (found.rowCount) return;
    const draft = `${template.database}_draft`;
    await admin.query(`drop database if exists ${pg.escapeIdentifier(draft)} with (force)`);
    await admin.query(`create database ${pg.escapeIdentifier(draft)} template template0`);
    await migrateToHead({ ...template, database: draft });
    await admin.query(
      `alter database ${pg.escapeIdentifier(draft)} rename to ${pg.escapeIdentifier(template.database)}`,
    );
  } finally {
    await admin.query("select pg_advisory_unlock($1)", [templateLock]);
  }
}

async function migrateToHead(connection: Connection): Promise<void> {
  const { applyMigrations } = await import("../../toolkit/migrate/apply.ts");
  await applyMigrations(connection, { directory: "migrations" });
}
