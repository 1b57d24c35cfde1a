import type { Connection } from "../connection.ts";
import { messageOf, UserError } from "../errors.ts";
import { ConnectionLost } from "./failure.ts";
import { chosen, refuseIrreversible, revert } from "./rollback.ts";
import { renderFor } from "./run.ts";
import { type MigrationOptions, namesOf, type Session, withMigrationSession } from "./session.ts";
import { ensureSteps, finishRun, keepBackup, type RunRecord, recordStep, startRun } from "./steps.ts";

/** What to undo, and how. */
export interface UndoOptions extends MigrationOptions {
  /** How many migrations; 1 when left out. */
  count?: number;
  /** Instead of a count: the migration to go back to, which stays applied. */
  to?: string;
  /** Gets, as SQL with comments, what each of them is undone with. */
  show: (text: string) => void;
  /** False: only show. */
  carryOut: boolean;
  /** Makes a backup first and gives its id; without it there is none. */
  backUp?: ((reason: string) => Promise<string>) | undefined;
}

/**
 * Undoes migrations on demand: shows what is going to run, makes a backup, undoes, and keeps a record of each step.
 * @returns the migrations that were undone, or would be, the last applied first
 * @throws UserError when one of them cannot be undone, or when there is no backup; nothing is touched then
 */
export function undo(connection: Connection, options: UndoOptions): Promise<string[]> {
  return withMigrationSession(connection, options, async (session) => {
    const migrations = chosen(session, options);
    refuseIrreversible(migrations);
    for (const migration of migrations) {
      const { statements, transactional } = await renderFor(session, migration, "down");
      const how = transactional ? "in a transaction" : "without a transaction";
      options.show([`-- undo ${migration.name}, ${how}`, ...statements.map(({ text }) => `${text};`), ""].join("\n"));
    }
    if (migrations.length === 0 || !options.carryOut) return namesOf(migrations);
    const { client, situation } = session;
    await ensureSteps(client);
    const record = await startRun(client, {
      kind: "rollback",
      appliedBefore: situation.applied,
      fingerprintBefore: situation.fingerprint,
    });
    try {
      await backUp(session, record, `before undoing ${migrations[0]!.name}`, options);
      for (const migration of migrations) {
        const step = { kind: "rollback", migration: migration.name } as const;
        await recordStep(client, record, step, (measured) => revert(session, migration, measured));
      }
      await finishRun(client, record, "ok");
    } catch (error) {
      if (!(error instanceof ConnectionLost))
        await finishRun(client, record, "failed", messageOf(error).split("\n")[0]!).catch(() => {});
      throw error;
    }
    return namesOf(migrations);
  });
}

async function backUp(session: Session, record: RunRecord, reason: string, { backUp }: UndoOptions): Promise<void> {
  const { client } = session;
  if (!backUp) return;
  await recordStep(client, record, { kind: "backup" }, async (measured) => {
    const id = await backUp(reason).catch((error) => {
      throw new UserError("nothing was undone, for there is no backup to come back to", {
        why: messageOf(error),
        fix: "Correct what keeps the backup from being made, or do without one: --without-backup.",
        cause: error,
      });
    });
    await keepBackup(client, record, id);
    measured.message = id;
  });
}
