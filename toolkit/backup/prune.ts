import { join } from "node:path";
import { removeTree, renameDurably } from "../server/files.ts";
import { draftPrefix } from "../server/finalBackup.ts";
import type { Backup } from "./backup.ts";
import type { PruneOptions } from "./backups.ts";
import { bytes } from "./sizes.ts";
import { isFinal, readBackups, withBackupFolder } from "./store.ts";

const day = 24 * 60 * 60_000;

/** Removes backups of this machine, as {@link backupsToGo} chooses them. */
export async function pruneLocal(directory: string, options: PruneOptions): Promise<string[]> {
  if (options.dryRun) return announce(backupsToGo(await readBackups(directory), options), options);
  return withBackupFolder(directory, async () => {
    const gone = backupsToGo(await readBackups(directory), options);
    for (const { id } of gone) {
      // Under the name of a partial one first: a removal that is killed leaves nothing that looks like a backup.
      const draft = join(directory, `${draftPrefix}${id}`);
      await renameDurably(join(directory, id), draft);
      await removeTree(draft);
    }
    return announce(gone, options);
  });
}

/**
 * Chooses what goes: beyond the `count` newest, or older than `days`. The newest stays whatever its age.
 * @param backups the oldest first
 */
export function backupsToGo(backups: Backup[], { count, days }: Pick<PruneOptions, "count" | "days">): Backup[] {
  const ours = backups.filter(({ id }) => !isFinal(id));
  const oldest = Date.now() - days * day;
  return ours.filter((backup, index) => {
    const newer = ours.length - 1 - index;
    return newer > 0 && (newer >= count || Date.parse(backup.finishedAt) < oldest);
  });
}

/** Tells what went, or would go. */
export function announce(gone: Backup[], { say, dryRun }: Pick<PruneOptions, "say" | "dryRun">): string[] {
  for (const backup of gone) say(`${dryRun ? "would remove" : "removed"} ${backup.id}, ${bytes(backup.bytes)}`);
  return gone.map(({ id }) => id);
}
