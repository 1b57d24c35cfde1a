import type { EventEmitter } from "node:events";
import { resolve } from "node:path";
import { runner } from "node-pg-migrate";
import type pg from "pg";
import { nothingSent, type Sent } from "./failure.ts";
import { ignorePattern, type MigrationFile } from "./files.ts";
import type { Direction } from "./render.ts";
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

/**
 * Runs one migration with node-pg-migrate, which records it in pgmigrations.
 * @param how.sent remembers what is sent
 * @param how.fake only records it
 */
export async function callRunner(
  { client, directory, files }: Run,
  { name }: MigrationFile,
  direction: Direction,
  { sent, fake = false }: { sent?: Sent; fake?: boolean },
): Promise<void> {
  const byPath = new Map(files.map((file) => [resolve(file.file), file.actions]));
  const ran = await runner({
    dbClient: recording(client, sent),
    dir: resolve(directory),
    ignorePattern,
    // The files are loaded already: not once more for every migration.
    migrationLoaderStrategies: [
      {
        extensions: [".ts", ".js", ".sql"],
        loader: async (paths) => paths.map((id) => ({ id, filePaths: [id], actions: byPath.get(id)! })),
      },
    ],
    migrationsTable: "pgmigrations",
    direction,
    file: name,
    count: 1,
    singleTransaction: false,
    // The order is checked before, and the lock taken.
    checkOrder: false,
    noLock: true,
    fake,
    logger: silent,
  });
  if (ran.length !== 1) throw new Error(`node-pg-migrate found nothing to do for ${name} (${direction})`);
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
