import type { EventEmitter } from "node:events";
import { resolve } from "node:path";
import { Migration, runner } from "node-pg-migrate";
import type pg from "pg";
import { nothingSent, type Sent } from "./failure.ts";
import type { MigrationFile } from "./files.ts";
import { type Direction, shorthandsUpTo } from "./render.ts";
import type { Run } from "./run.ts";

/**
 * Records a migration in pgmigrations as run, or as undone, without running it: for one that had done its work when
 * the run was killed.
 */
export async function markAsRun(run: Run, migration: MigrationFile, direction: Direction): Promise<void> {
  await resetSession(run.client, 0);
  await callRunner(run, migration, direction, { fake: true });
}

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

// What node-pg-migrate needs to know to record a migration.
const options = { migrationsTable: "pgmigrations", direction: "up", singleTransaction: false, dir: "" } as const;

/**
 * Runs one migration with node-pg-migrate, which records it in pgmigrations. Its `Migration` is called, not its
 * `runner`: that would read the folder and look for its table again for every migration, which took most of the time
 * of many small ones.
 * @param how.sent remembers what is sent
 * @param how.fake only records it
 */
export async function callRunner(
  { client, files }: Run,
  { name, file, actions }: MigrationFile,
  direction: Direction,
  { sent, fake = false }: { sent?: Sent; fake?: boolean },
): Promise<void> {
  await ensureTable(client);
  const db = recording(client, sent) as unknown as ConstructorParameters<typeof Migration>[0];
  const both = actions as ConstructorParameters<typeof Migration>[2];
  const known = { ...options, dbClient: client, direction };
  const migration = new Migration(db, resolve(file), both, known, shorthandsUpTo(files, name), silent);
  await (fake ? migration.markAsRun(direction) : migration.apply(direction));
}

const prepared = new WeakSet<pg.Client>();

/** Has node-pg-migrate make its table, as it makes it itself: by a run with nothing to do. */
async function ensureTable(client: pg.Client): Promise<void> {
  if (prepared.has(client)) return;
  const { rows } = await client.query("select to_regclass('public.pgmigrations') is not null as present");
  if (!rows[0].present)
    await runner({ ...options, dbClient: client, dir: ".", ignorePattern: ".*", noLock: true, logger: silent });
  prepared.add(client);
}

/** The client, remembering what it sent last and how many statements of it were done, so that an error can show where. */
function recording(client: pg.Client, sent: Sent = nothingSent()): pg.Client {
  // Of a text with several statements PostgreSQL does not say which one failed; it reports each that is done.
  const wire = (client as unknown as { connection: EventEmitter }).connection;
  const onDone = ({ text }: { text: string }) => {
    sent.completed += 1;
    // The tag of a command that changes rows ends with their number: INSERT 0 5, UPDATE 5, COPY 5.
    const [, rows] = /^(?:INSERT 0|UPDATE|DELETE|MERGE|COPY) (\d+)/.exec(text) ?? [];
    if (rows && !ownRecord.test(sent.sql)) sent.rows += Number(rows);
  };
  const query = (config: string | { text: string }, values?: unknown[]) => {
    Object.assign(sent, { sql: typeof config === "string" ? config : config.text, completed: 0 });
    wire.on("commandComplete", onDone);
    return client.query(config as string, values).finally(() => wire.off("commandComplete", onDone));
  };
  return { query } as unknown as pg.Client;
}

// What node-pg-migrate writes for itself.
const ownRecord = /^\s*(?:insert into|delete from) "public"\."pgmigrations"/i;

/**
 * Gives a migration the session that it expects, whatever the one before did to it, and whatever timeouts the user's
 * role or the database has: they are for the application.
 */
export async function resetSession(client: pg.ClientBase, lockTimeout: number): Promise<void> {
  await client.query(`
    reset session authorization;
    reset all;
    set search_path to public;
    set statement_timeout to 0;
    set idle_in_transaction_session_timeout to 0;
    set lock_timeout to ${Math.trunc(lockTimeout)}`);
}
