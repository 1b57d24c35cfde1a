import type pg from "pg";
import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import { type Watch, watchBlockers } from "./blockers.ts";
import { explained, isConnectionLost, nothingSent } from "./failure.ts";
import type { MigrationFile } from "./files.ts";
import { clearInvalidIndex, indexState, quoted } from "./invalidIndexes.ts";
import { callRunner, resetSession } from "./pgMigrate.ts";
import { type ProgressReport, reportProgress } from "./progress.ts";
import { builtIndex, type Direction, type Rendered, render, shorthandsUpTo } from "./render.ts";
import { withLockRetries } from "./retry.ts";
import { type Measured, nothingMeasured, type RunRecord } from "./steps.ts";
import { withoutTransaction } from "./withoutTransaction.ts";

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
  /** Milliseconds that a statement without a transaction may wait for older transactions, all in all. */
  waitLimit: number;
  /** A failure is followed by a rollback of the migrations before it: its message does not say that they stay. */
  goesBack?: boolean;
  /** The run whose records go to the server with a migration that has a transaction. */
  records?: RunRecord;
  say: (line: string) => void;
}

// Without a transaction nothing times out; from here on, in milliseconds, the user should know what is waited for.
const quietWait = 10_000;
// A look now and then costs nothing, and shows how far a long statement is.
const lookInterval = 2_000;

/** Renders a migration of a run. */
export function renderFor(run: Run, migration: MigrationFile, direction: Direction): Promise<Rendered> {
  return render(migration, direction, shorthandsUpTo(run.files, migration.name));
}

/**
 * Runs one migration through node-pg-migrate, which also records it in pgmigrations: in the same transaction, or, where
 * the migration wants none, after its statement.
 * @param measured gets what was waited for and done
 * @throws UserError that says which statement failed, where, and what is left
 */
export async function runMigration(
  run: Run,
  migration: MigrationFile,
  direction: Direction,
  { transactional, statements }: Rendered,
  measured: Measured = nothingMeasured(),
): Promise<void> {
  const { client, say } = run;
  const { name } = migration;
  const statement = transactional ? "" : (statements[0]?.text ?? "");
  const index = builtIndex(statement);
  const onNotice = ({ message }: { message?: string }) => say(`${name}: ${message}`);
  if (index) await clearInvalidIndex(client, index, run.patience, say);
  const report = reportProgress({ title: name, say });
  const watch = watchFor(run, name, transactional, report);
  client.on("notice", onNotice);
  try {
    if (transactional) await inTransaction(run, migration, direction, watch, measured);
    else await withoutTransaction(run, migration, direction, { statement, index, watch, measured });
  } finally {
    client.off("notice", onNotice);
    await watch.stop();
    report.stop();
    measured.lockWait = Math.max(measured.lockWait, watch.waited());
  }
  if (!transactional) await resetSession(client, 0);
  if (index && (await indexState(client, index)) !== "valid")
    throw new UserError(`${name} has run, but its index ${quoted(index)} is not valid`, {
      fix: `Build it again: reindex index concurrently ${quoted(index)}; then run \`up\` again.`,
    });
}

async function inTransaction(
  run: Run,
  migration: MigrationFile,
  direction: Direction,
  watch: Watch,
  measured: Measured,
): Promise<void> {
  const { name } = migration;
  let sent = nothingSent();
  try {
    await withLockRetries({ ...run, name, watch, measured }, async () => {
      sent = nothingSent();
      try {
        await callRunner(run, migration, direction, { sent, lockTimeout: run.lockTimeout });
        measured.rows += sent.rows;
      } catch (error) {
        if (!isConnectionLost(error) && sent.completed >= 0) await leave(run.client).catch(() => {});
        throw error;
      }
    });
  } catch (error) {
    throw explained(error, migration, { direction, transactional: true, sent, goesBack: run.goesBack });
  }
}

/** node-pg-migrate leaves a failed transaction of a client that is not its own open. */
async function leave(client: pg.Client): Promise<void> {
  await client.query("rollback");
  // A migration that commits for itself may have changed the session before it failed.
  await resetSession(client, 0);
}

function watchFor(run: Run, name: string, transactional: boolean, report: ProgressReport): Watch {
  const pid = (run.client as unknown as { processID: number }).processID;
  const { show } = report;
  if (transactional)
    return watchBlockers(run.connection, pid, {
      interval: Math.min(Math.max(run.lockTimeout / 3, 30), lookInterval),
      show,
    });
  const limit = run.waitLimit;
  return watchBlockers(run.connection, pid, {
    interval: Math.min(lookInterval, Math.max(limit / 4, 30)),
    quiet: quietWait,
    tell: (blockers) => run.say(`${name} waits for ${blockers}`),
    show,
    limit,
  });
}
