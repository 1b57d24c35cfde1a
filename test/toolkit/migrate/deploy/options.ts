import type { DeployOptions } from "../../../../toolkit/migrate/deploy.ts";
import type { Backups } from "../../../../toolkit/migrate/deployBackup.ts";

/** Backups that only remember that they were asked for: what they are made of has tests of its own. */
export function rememberedBackups(fails?: Error): Backups & { made: string[] } {
  const made: string[] = [];
  return {
    made,
    async createBackup(_connection, _target, { reason }) {
      if (fails) throw fails;
      made.push(reason);
      return { id: `backup-${made.length}`, bytes: 1 };
    },
    async pruneBackups(_target, { count, days }) {
      made.push(`pruned to ${count} and ${days} days`);
    },
  };
}

/** What a stack says by default. */
export function optionsFor(folder: { directory: string }, options: Partial<DeployOptions> = {}): DeployOptions {
  return {
    directory: folder.directory,
    backup: { kind: "auto", directory: `${folder.directory}/backups` },
    backupBefore: true,
    backupCount: 5,
    backupRetention: 14,
    autoRollback: true,
    slowdownFactor: 1000,
    ...options,
  };
}
