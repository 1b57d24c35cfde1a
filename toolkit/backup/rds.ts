import { setTimeout as wait } from "node:timers/promises";
import type { DBInstance, DBSnapshot, RDSClient } from "@aws-sdk/client-rds";
import { messageOf, UserError } from "../errors.ts";
import type { BackupTarget } from "./target.ts";
import { watch } from "./watch.ts";

export type RdsTarget = Extract<BackupTarget, { kind: "rds" }>;

/** The SDK, loaded only where there is something of AWS to do: it is big. */
export type Sdk = typeof import("@aws-sdk/client-rds");

const pollInterval = 10_000;
// A first snapshot of a big instance, or an instance that is made of one, takes hours.
const patience = 12 * 60 * 60_000;

/** What to do about each way in which AWS refuses. */
const fixes: Record<string, string> = {
  CredentialsProviderError: "Give the SDK credentials: `aws configure`, AWS_PROFILE, or a role of the machine.",
  ExpiredTokenException: "The session has ended: sign in again (`aws sso login`).",
  AccessDenied:
    "Allow rds:CreateDBSnapshot, DescribeDBSnapshots, DeleteDBSnapshot, AddTagsToResource, DescribeDBInstances, " +
    "RestoreDBInstanceFromDBSnapshot and DeleteDBInstance.",
  DBInstanceNotFound: "Correct the instance's identifier, or the region.",
  SnapshotQuotaExceeded: "Remove old ones with `toolkit backups prune`, or have the quota raised.",
};

/**
 * Runs `work` with a client of the SDK.
 * @throws UserError with AWS's own words and what to do
 */
export async function withRds<T>(target: RdsTarget, work: (client: RDSClient, sdk: Sdk) => Promise<T>): Promise<T> {
  const sdk = await import("@aws-sdk/client-rds");
  const { region, endpoint } = target;
  const client = new sdk.RDSClient({ region, ...(endpoint ? { endpoint } : {}) });
  try {
    return await work(client, sdk);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { name = "" } = error as Error;
    const fix = fixes[name] ?? fixes[name.replace(/Fault$/, "")];
    throw new UserError(`AWS refuses what was asked of the instance ${target.instanceIdentifier} in ${region}`, {
      why: messageOf(error),
      ...(fix ? { fix } : {}),
      cause: error,
    });
  } finally {
    client.destroy();
  }
}

/**
 * Waits until a snapshot is there.
 * @throws UserError when it fails
 */
export async function waitForSnapshot(
  client: RDSClient,
  sdk: Sdk,
  id: string,
  say: (line: string) => void,
): Promise<DBSnapshot> {
  return waitFor({ title: `snapshot ${id}`, say }, async () => {
    const { DBSnapshots = [] } = await client.send(new sdk.DescribeDBSnapshotsCommand({ DBSnapshotIdentifier: id }));
    const snapshot = DBSnapshots[0]!;
    const { Status = "", PercentProgress = 0 } = snapshot;
    return { status: Status, note: `${Status} ${PercentProgress} %`, value: snapshot };
  });
}

/**
 * Waits until an instance lets clients in.
 * @throws UserError when it fails
 */
export async function waitForInstance(
  client: RDSClient,
  sdk: Sdk,
  id: string,
  say: (line: string) => void,
): Promise<DBInstance> {
  return waitFor({ title: `instance ${id}`, say }, async () => {
    const instance = await describeInstance(client, sdk, id);
    const status = instance.DBInstanceStatus ?? "";
    return { status, note: status, value: instance };
  });
}

/** What AWS knows of an instance. */
export async function describeInstance(client: RDSClient, sdk: Sdk, id: string): Promise<DBInstance> {
  const { DBInstances = [] } = await client.send(new sdk.DescribeDBInstancesCommand({ DBInstanceIdentifier: id }));
  return DBInstances[0]!;
}

const failed = /^(failed|incompatible|storage-full|restore-error|inaccessible|deleting)/;

async function waitFor<T>(
  how: { title: string; say: (line: string) => void },
  look: () => Promise<{ status: string; note: string; value: T }>,
): Promise<T> {
  const started = Date.now();
  const bar = watch({ ...how, total: 0 });
  try {
    for (;;) {
      const { status, note, value } = await look();
      if (status === "available") return value;
      if (failed.test(status))
        throw new UserError(`the ${how.title} is ${status}`, { fix: "See its events in the AWS console." });
      if (Date.now() - started > patience)
        throw new UserError(`the ${how.title} is still ${status} after twelve hours`, {
          fix: "See its events in the AWS console. It may become available yet.",
        });
      bar.update(0, note);
      await wait(pollInterval);
    }
  } finally {
    bar.stop();
  }
}
