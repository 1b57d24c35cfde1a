import type { Connection } from "../connection.ts";
import type { Backup, CreateOptions } from "./backup.ts";
import { createLocal } from "./create.ts";
import { pruneLocal } from "./prune.ts";
import { type Restored, type RestoreOptions, restoreLocal } from "./restore.ts";
import { readBackups } from "./store.ts";
import type { BackupTarget } from "./target.ts";
import { type Verified, verifyLocal } from "./verify.ts";

export type { Backup, CreateOptions } from "./backup.ts";
export type { Restored, RestoreOptions } from "./restore.ts";
export type { BackupTarget } from "./target.ts";
export type { Verified } from "./verify.ts";

// The AWS SDK is loaded only where there is something of AWS.
const snapshots = () => import("./snapshots.ts");
const snapshotRestore = () => import("./snapshotRestore.ts");

/**
 * Makes a backup, complete or not at all: a physical one or a dump on this machine, or an RDS snapshot.
 * @throws UserError where none can be made, with what is missing
 */
export async function createBackup(
  connection: Connection,
  target: BackupTarget,
  options: CreateOptions,
): Promise<Backup> {
  if (target.kind === "rds") return (await snapshots()).createSnapshot(connection, target, options);
  return createLocal(connection, target.directory, options);
}

/** The complete backups of a target, the oldest first. */
export async function listBackups(target: BackupTarget): Promise<Backup[]> {
  return target.kind === "rds" ? (await snapshots()).listSnapshots(target) : readBackups(target.directory);
}

/** How a backup is verified. */
export interface VerifyOptions {
  say: (line: string) => void;
  /** Of a snapshot: how the database is entered; the address is that of the temporary instance. */
  connection?: Connection;
  /** Of a snapshot: a temporary instance costs money, so somebody has to want it. */
  yes?: boolean;
}

/**
 * Restores a backup where it disturbs nobody, and compares the fingerprint of the schema and the rows of every table.
 * @throws UserError where the backup is damaged, or cannot be verified from here
 */
export async function verifyBackup(target: BackupTarget, id: string, options: VerifyOptions): Promise<Verified> {
  if (target.kind === "rds") return (await snapshotRestore()).verifySnapshot(target, id, options);
  return verifyLocal(target.directory, id, options.say);
}

/**
 * Restores a backup beside what is there, never over it.
 * @param connection the server that a dump is restored to
 * @throws UserError where that is not possible
 */
export async function restoreBackup(
  connection: Connection,
  target: BackupTarget,
  id: string,
  options: RestoreOptions,
): Promise<Restored> {
  if (target.kind === "rds") return (await snapshotRestore()).restoreSnapshot(target, id, options);
  return restoreLocal(connection, target.directory, id, options);
}

/** Which backups go. */
export interface PruneOptions {
  /** How many of the newest are kept. */
  count: number;
  /** Days after which a backup goes, also when there are fewer. */
  days: number;
  say: (line: string) => void;
  /** Only tells what would go. */
  dryRun?: boolean;
}

/**
 * Removes the backups beyond `count` and those older than `days`, never the newest one and never the final backup of a
 * destroyed server; and what killed runs left half-made.
 * @returns the ids of those that went
 */
export async function pruneBackups(target: BackupTarget, options: PruneOptions): Promise<string[]> {
  return target.kind === "rds"
    ? (await snapshots()).pruneSnapshots(target, options)
    : pruneLocal(target.directory, options);
}
