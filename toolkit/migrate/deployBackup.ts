import type { BackupTarget } from "../backup/target.ts";
import type { Connection } from "../connection.ts";
import { messageOf, UserError } from "../errors.ts";

/** Makes and clears away backups. */
export interface Backups {
  createBackup(
    connection: Connection,
    target: BackupTarget,
    options: { reason: string; say: (line: string) => void },
  ): Promise<{ id: string; bytes: number }>;
  pruneBackups(
    target: BackupTarget,
    options: { count: number; days: number; say: (line: string) => void },
  ): Promise<unknown>;
}

/** The real ones, loaded when there is something to back up: a preview should not pay for them. */
export const realBackups: Backups = {
  createBackup: async (...args) => (await import("../backup/backups.ts")).createBackup(...args),
  pruneBackups: async (...args) => (await import("../backup/backups.ts")).pruneBackups(...args),
};

/** How a database is backed up before it is changed. */
export interface BackupOptions {
  backup: BackupTarget;
  /** How many backups are kept. */
  backupCount: number;
  /** Days that backups are kept. */
  backupRetention: number;
  /** Who makes them. */
  backups?: Backups;
}

/**
 * Makes a backup, then clears away old ones.
 * @returns the backup's id
 * @throws UserError when there is none in the end
 */
export async function backUp(
  connection: Connection,
  reason: string,
  { backup, backupCount, backupRetention, backups = realBackups }: BackupOptions,
  say: (line: string) => void,
): Promise<string> {
  let id: string;
  try {
    ({ id } = await backups.createBackup(connection, backup, { reason, say }));
  } catch (error) {
    throw new UserError("nothing was migrated, for there is no backup to come back to", {
      why: messageOf(error),
      fix: "Correct what keeps the backup from being made. To go on without one: npm run up -- -c database:backupBefore=false",
      cause: error,
    });
  }
  // Old backups that stay for now are no reason to leave a migration undone.
  await backups
    .pruneBackups(backup, { count: backupCount, days: backupRetention, say })
    .catch((error) => say(`warning: old backups were not cleared away: ${messageOf(error).split("\n")[0]}`));
  return id;
}
