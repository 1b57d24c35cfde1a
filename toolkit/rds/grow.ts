import type { DBInstance, ModifyDBInstanceMessage } from "@aws-sdk/client-rds";
import { UserError } from "../errors.ts";
import { describeInstance, modifyInstance } from "./instance.ts";
import { gp3StripedFrom } from "./likeness.ts";
import type { Session } from "./session.ts";

/** What to change; what is left out stays. */
export interface GrowOptions {
  /** GiB. */
  storage?: number;
  /** Up to which AWS lets it grow by itself, in GiB. */
  limit?: number;
  /** I/O operations a second. */
  iops?: number;
  /** MiB a second. */
  throughput?: number;
}

const patience = 4 * 60;

/**
 * Gives an instance more storage, or a faster one, while it is in use. Storage never shrinks. One that is so already is left alone.
 * @throws UserError for what AWS does not take
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.ModifyingExisting.html
 */
export async function grow(session: Session, options: GrowOptions): Promise<void> {
  const { instance, say, dry } = session;
  const now = await describeInstance(session);
  const wanted: Partial<ModifyDBInstanceMessage> = {
    ...(options.storage && { AllocatedStorage: options.storage }),
    ...(options.limit && { MaxAllocatedStorage: options.limit }),
    ...(options.iops && { Iops: options.iops }),
    ...(options.throughput && { StorageThroughput: options.throughput }),
  };
  const change = Object.fromEntries(
    Object.entries(wanted).filter(([key, value]) => now[key as keyof DBInstance] !== value),
  ) as typeof wanted;
  if (Object.keys(change).length === 0) {
    say(`${instance} is so already`);
    return;
  }
  requirePossible(now, options, change);
  await session.confirm(`Change the storage of ${instance} (${describing(change)})? It cannot be made smaller again.`);
  const after = await modifyInstance(session, instance, change, {
    minutes: patience,
    ready: (made) => !change.AllocatedStorage || (made.AllocatedStorage ?? 0) >= change.AllocatedStorage,
  });
  if (!dry) say(`${instance} has ${after.AllocatedStorage} GiB; AWS optimizes it for some hours, while it is in use`);
}

const describing = (change: object) =>
  Object.entries(change)
    .map(([key, value]) => `${key} ${value}`)
    .join(", ");

function requirePossible(
  now: DBInstance,
  { storage, limit }: GrowOptions,
  change: Partial<ModifyDBInstanceMessage>,
): void {
  const { DBInstanceIdentifier: instance, AllocatedStorage, MaxAllocatedStorage, DBInstanceStatus } = now;
  if (
    DBInstanceStatus === "storage-optimization" &&
    (change.AllocatedStorage || change.Iops || change.StorageThroughput)
  )
    throw new UserError(`AWS still optimizes the storage of ${instance}`, {
      why: "After each change of its size, six hours have to pass, and the optimization has to end.",
      fix: "Free space meanwhile: runbook disk-nearly-full.",
    });
  // Unknown in a dry run without credentials.
  if (AllocatedStorage === undefined) return;
  const least = AllocatedStorage + Math.ceil(AllocatedStorage / 10);
  if (change.AllocatedStorage && change.AllocatedStorage < AllocatedStorage)
    throw new UserError(`${instance} has ${AllocatedStorage} GiB, and storage cannot shrink`, {
      fix: "For a smaller one move the data: restore a dump in a new instance, or switch to a blue/green copy.",
      exitCode: 2,
    });
  if (change.AllocatedStorage && change.AllocatedStorage < least)
    throw new UserError(`${change.AllocatedStorage} GiB is too small a step from ${AllocatedStorage}`, {
      why: "AWS takes at least a tenth more.",
      fix: `Give ${least} or more.`,
      exitCode: 2,
    });
  const size = storage ?? AllocatedStorage;
  const most = limit ?? MaxAllocatedStorage;
  if (most !== undefined && most < size)
    throw new UserError(`${size} GiB is over the limit of ${most} GiB to which it may grow by itself`, {
      fix: "Raise it as well: --limit.",
      exitCode: 2,
    });
  if ((change.Iops || change.StorageThroughput) && now.StorageType === "gp3" && size < gp3StripedFrom)
    throw new UserError(`gp3 takes its own IOPS and throughput from ${gp3StripedFrom} GiB on, not at ${size}`, {
      fix: `Leave them out, or raise --storage to ${gp3StripedFrom}.`,
      exitCode: 2,
    });
}
