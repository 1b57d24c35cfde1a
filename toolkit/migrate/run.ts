import type { EventEmitter } from "node:events";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runner } from "node-pg-migrate";
import type pg from "pg";
import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import { type Watch, watchBlockers } from "./blockers.ts";
import { explainFailure, isConnectionLost, type Sent } from "./failure.ts";
import { ignorePattern, type MigrationFile } from "./files.ts";
import { clearInvalidIndex, indexState, quoted } from "./invalidIndexes.ts";
import { builtIndex, type Direction, type Rendered, render, shorthandsUpTo } from "./render.ts";

/** What the migrations of one run share. */
export interface Run {
  client: pg.Client;
  connection: Connection;
  directory: string;
  files: readonly MigrationFile[];
  /** Milliseconds that a statement of a migration may wait for a lock, and block others behind it, before it tries again. */
  lockTimeout: number;
  /** Milliseconds to wait for another session that does our work. */
  patience: number;
  say: (line: string) => void;
}

// With pauses that double from half a second to 30 s, ten attempts make about two minutes beside the lock timeouts.
const attempts = 10;
const [firstPause, longestPause] = [500, 30_000];
// lock_not_available, deadlock_detected: the transaction is undone, and another attempt may have more luck.
const worthRetrying = new Set(["55P03", "40P01"]);
// Without a transaction nothing times out; from here on the user should know what is waited for.
const quietWait = 10_000;

/** Renders a migration of a run. */
export function renderFor(run: Run, migration: MigrationFile, direction: Direction): Promise<Rendered> {
  return render(migration, direction, shorthandsUpTo(run.files, migration.name));
}

/**
 * Runs one migration through node-pg-migrate, which also records it in pgmigrations: in the same transaction, or, where
 * the migration wants none, after its statement.
 * @throws UserError that says which statement failed, where, and what is left
 */
export async function runMigration(
  run: Run,
  migration: MigrationFile,
  direction: Direction,
  { transactional, statements }: Rendered,
): Promise<void> {
  const { client, say } = run;
  const index = transactional ? undefined : builtIndex(statements[0]?.text ?? "");
  // A short lock timeout would kill CREATE INDEX CONCURRENTLY, which waits for old snapshots of the whole database.
  const lockTimeout = transactional ? run.lockTimeout : 0;
  const onNotice = ({ message }: { message?: string }) => say(`${migration.name}: ${message}`);
  if (index) await clearInvalidIndex(client, index, run.patience, say);
  const watch = watchFor(run, migration.name, transactional);
  client.on("notice", onNotice);
  try {
    await resetSession(client, lockTimeout);
    await attempt(run, migration, direction, transactional, watch);
  } finally {
    client.off("notice", onNotice);
    await watch.stop();
  }
  await resetSession(client, 0);
  if (index && (await indexState(client, index)) !== "valid")
    throw new UserError(`${migration.name} has run, but its index ${quoted(index)} is not valid`, {
      fix: `Build it again: reindex index concurrently ${quoted(index)}; then run \`up\` again.`,
    });
}

async function attempt(
  run: Run,
  migration: MigrationFile,
  direction: Direction,
  transactional: boolean,
  watch: Watch,
): Promise<void> {
  const { name, file } = migration;
  for (let tried = 1; ; tried++) {
    const sent: Sent = { sql: "", completed: 0 };
    try {
      await callRunner(run, migration, direction, { sent });
      return;
    } catch (error) {
      const lost = isConnectionLost(error);
      // node-pg-migrate leaves a failed transaction of a client that is not its own open.
      if (transactional && !lost) await run.client.query("rollback").catch(() => {});
      if (lost || !transactional || !worthRetrying.has((error as { code?: string }).code ?? "")) {
        const left = transactional || lost ? undefined : await whatIsLeft(run.client, sent.sql);
        throw explainFailure(error, { name, file, direction, transactional, sent, left });
      }
      if (tried === attempts) throw lockNotHad(run, name, watch, error);
      const pause = Math.min(firstPause * 2 ** (tried - 1), longestPause) * (0.5 + Math.random() / 2);
      run.say(
        `${name}: no lock within ${run.lockTimeout} ms, held by ${watch.last() ?? "a session that has ended since"}; ` +
          `attempt ${tried + 1} of ${attempts} in ${(pause / 1000).toFixed(1)} s`,
      );
      await sleep(pause);
    }
  }
}

function lockNotHad(run: Run, name: string, watch: Watch, cause: unknown): UserError {
  return new UserError(`${name} did not get its lock in ${attempts} attempts of ${run.lockTimeout} ms`, {
    why: `In the way: ${watch.last() ?? "sessions that have ended since"}. Nothing of ${name} was left behind.`,
    fix: "End that session, or run `up` at a calmer time, or raise database:lockTimeout (others wait that long behind us).",
    cause,
  });
}

function watchFor(run: Run, name: string, transactional: boolean): Watch {
  const pid = (run.client as unknown as { processID: number }).processID;
  if (transactional) return watchBlockers(run.connection, pid, Math.max(run.lockTimeout / 3, 30));
  return watchBlockers(run.connection, pid, quietWait, (blockers) => run.say(`${name} waits for ${blockers}`));
}

async function whatIsLeft(client: pg.ClientBase, statement: string): Promise<string> {
  const index = builtIndex(statement);
  const state = index && (await indexState(client, index).catch(() => undefined));
  if (!index || !state) return "It has no transaction and may have left something behind";
  return state === "invalid"
    ? `It left the invalid index ${quoted(index)}, which the next \`up\` drops and builds again`
    : "It left nothing behind";
}

/**
 * Records a migration in pgmigrations as run, or as undone, without running it: for one that had done its work when
 * the run was killed.
 */
export async function markAsRun(run: Run, migration: MigrationFile, direction: Direction): Promise<void> {
  await resetSession(run.client, 0);
  await callRunner(run, migration, direction, { fake: true });
}

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

async function callRunner(
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
function recording(client: pg.Client, sent: Sent = { sql: "", completed: 0 }): pg.Client {
  // Of a text with several statements PostgreSQL does not say which one failed; it reports each that is done.
  const wire = (client as unknown as { connection: EventEmitter }).connection;
  const onDone = () => void sent.completed++;
  const query = (config: string | { text: string }, values?: unknown[]) => {
    Object.assign(sent, { sql: typeof config === "string" ? config : config.text, completed: 0 });
    wire.on("commandComplete", onDone);
    return client.query(config as string, values).finally(() => wire.off("commandComplete", onDone));
  };
  return { query } as unknown as pg.Client;
}

/**
 * Gives a migration the session that it expects, whatever the one before did to it, and whatever timeouts the user's
 * role or the database has: they are for the application.
 */
async function resetSession(client: pg.ClientBase, lockTimeout: number): Promise<void> {
  await client.query(`
    reset session authorization;
    reset all;
    set search_path to public;
    set statement_timeout to 0;
    set idle_in_transaction_session_timeout to 0;
    set lock_timeout to ${Math.trunc(lockTimeout)}`);
}
