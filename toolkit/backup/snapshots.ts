import type { DBSnapshot, RDSClient } from "@aws-sdk/client-rds";
import { type Connection, withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { type Backup, type CreateOptions, newId } from "./backup.ts";
import type { PruneOptions } from "./backups.ts";
import { readFacts } from "./facts.ts";
import { announce, backupsToGo } from "./prune.ts";
import { type RdsTarget, type Sdk, waitForSnapshot, withRds } from "./rds.ts";
import { boundsOf, takeCensus } from "./rows.ts";
import { unknownBackup } from "./store.ts";
import { fromTags, toTags } from "./tags.ts";

const GiB = 1024 ** 3;
const day = 24 * 60 * 60_000;

/**
 * Makes a snapshot of an RDS instance and waits for it. It counts as a backup once it carries the tag of its end, so that one whose
 * run was killed is never taken for a complete one.
 */
export async function createSnapshot(
  connection: Connection,
  target: RdsTarget,
  { reason, say }: CreateOptions,
): Promise<Backup> {
  return withClient(connection, { applicationName: "postgres-from-code backup" }, (session) =>
    withRds(target, async (client, sdk) => {
      const startedAt = new Date().toISOString();
      const { superuser: _, ...facts } = await readFacts(session);
      const before = await takeCensus(session, "before", say);
      const id = `${target.instanceIdentifier}-${newId(startedAt)}`;
      const known = { reason, startedAt, ...facts };
      await client.send(
        new sdk.CreateDBSnapshotCommand({
          DBInstanceIdentifier: target.instanceIdentifier,
          DBSnapshotIdentifier: id,
          Tags: toTags(known),
        }),
      );
      say(`snapshot ${id} of the instance ${target.instanceIdentifier} is being made`);
      const snapshot = await waitForSnapshot(client, sdk, id, say);
      const after = await takeCensus(session, "after", say);
      const rest = { finishedAt: new Date().toISOString(), rows: before.rows, bounds: boundsOf(before, after) };
      await client.send(new sdk.AddTagsToResourceCommand({ ResourceName: snapshot.DBSnapshotArn, Tags: toTags(rest) }));
      say(`snapshot ${id} is available`);
      return { id, method: "snapshot", bytes: sizeOf(snapshot), ...known, ...rest };
    }),
  );
}

/** The complete snapshots of this making, the oldest first. */
export async function listSnapshots(target: RdsTarget): Promise<Backup[]> {
  return withRds(target, async (client, sdk) => complete(await readSnapshots(client, sdk, target)));
}

/**
 * One of them.
 * @throws UserError where there is no such snapshot
 */
export async function findSnapshot(client: RDSClient, sdk: Sdk, target: RdsTarget, id: string): Promise<Backup> {
  const backups = complete(await readSnapshots(client, sdk, target));
  const found = backups.find((backup) => backup.id === id);
  if (!found) throw unknownBackup(id, backups.at(-1)?.id);
  return found;
}

/** Removes snapshots as local backups are removed; and those of killed runs, a day later: their run may not have ended. */
export async function pruneSnapshots(target: RdsTarget, options: PruneOptions): Promise<string[]> {
  return withRds(target, async (client, sdk) => {
    const all = await readSnapshots(client, sdk, target);
    const remains = all.filter(({ finishedAt, startedAt }) => !finishedAt && Date.now() - Date.parse(startedAt) > day);
    const gone = [...remains, ...backupsToGo(complete(all), options)];
    if (options.dryRun) return announce(gone, options);
    for (const { id } of gone) await client.send(new sdk.DeleteDBSnapshotCommand({ DBSnapshotIdentifier: id }));
    return announce(gone, options);
  });
}

const complete = (backups: Backup[]) => backups.filter(({ finishedAt }) => finishedAt !== "");

async function readSnapshots(client: RDSClient, sdk: Sdk, target: RdsTarget): Promise<Backup[]> {
  const found: Backup[] = [];
  const asked = { DBInstanceIdentifier: target.instanceIdentifier, SnapshotType: "manual" };
  for await (const { DBSnapshots = [] } of sdk.paginateDescribeDBSnapshots({ client }, asked))
    for (const snapshot of DBSnapshots) {
      const recorded = fromTags(snapshot.TagList ?? []);
      if (recorded && snapshot.DBSnapshotIdentifier && snapshot.Status === "available")
        found.push({ id: snapshot.DBSnapshotIdentifier, method: "snapshot", bytes: sizeOf(snapshot), ...recorded });
    }
  return found.sort((one, other) => Date.parse(one.startedAt) - Date.parse(other.startedAt));
}

// AWS tells the storage of the instance; what a snapshot adds to the bill is less.
function sizeOf(snapshot: DBSnapshot): number {
  return (snapshot.AllocatedStorage ?? 0) * GiB;
}

/** @throws UserError where nobody said that the costs are wanted */
export function requireYes(yes: boolean | undefined, what: string): void {
  if (yes) return;
  throw new UserError(`${what} costs money, and --yes was not given`, {
    why: "RDS restores a snapshot to an instance of its own, which is paid for as long as it exists.",
    fix: "Add --yes.",
    exitCode: 2,
  });
}
