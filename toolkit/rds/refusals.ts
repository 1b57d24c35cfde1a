import { messageOf, UserError } from "../errors.ts";

/** What to do about each way in which AWS refuses, by the error's code without its ending Fault or Exception. */
const fixes: Record<string, string> = {
  CredentialsProviderError: "Give the SDK credentials: `aws configure`, AWS_PROFILE, or a role of the machine.",
  ExpiredToken: "The session has ended: sign in again (`aws sso login`), and run the command again; it goes on.",
  InvalidClientTokenId: "These credentials are no longer valid: make new ones, or choose another AWS_PROFILE.",
  SignatureDoesNotMatch: "The secret key does not belong to the access key: correct the profile.",
  AccessDenied: "Have the action that the reason names allowed for this role, or take another AWS_PROFILE.",
  DBInstanceNotFound: "Correct --instance or --region; `aws rds describe-db-instances` lists what there is.",
  DBSnapshotNotFound: "Correct the snapshot's name; `aws rds describe-db-snapshots` lists what there is.",
  DBParameterGroupNotFound: "Make the parameter group first (`npm run up`), or correct its name.",
  DBInstanceAlreadyExists: "Give another name, or look whether somebody else is already at it.",
  BlueGreenDeploymentNotFound: "Create it first: toolkit rds upgrade create.",
  InvalidDBInstanceState:
    "Something else is being done to the instance: wait until it is available (toolkit rds wait), then run it again.",
  InvalidBlueGreenDeploymentState:
    "Wait until the deployment is available: toolkit rds upgrade create goes on waiting.",
  InvalidRestore: "Choose a time between the start of the backups and LatestRestorableTime (toolkit rds describe).",
  PointInTimeRestoreNotEnabled: "Automated backups are off: restore a snapshot (--snapshot).",
  StorageQuotaExceeded: "Have the account's quota for RDS storage raised, in Service Quotas.",
  InstanceQuotaExceeded: "Have the account's quota for RDS instances raised, in Service Quotas.",
  SnapshotQuotaExceeded: "Remove old ones with `toolkit backups prune`, or have the quota raised.",
  InsufficientDBInstanceCapacity: "This zone has no more of this class: give another one with --class, or wait.",
  KMSKeyNotAccessible: "Allow this role to use the key that the reason names.",
  ResourceNotFound: "Correct the secret's name or the region.",
  // The network
  ENOTFOUND: "Correct --region, and look whether this machine reaches the internet.",
  ECONNREFUSED: "Look at AWS_ENDPOINT_URL, and whether this machine reaches the internet.",
  TimeoutError: "Look whether this machine reaches AWS, then run the command again; it goes on.",
};

/** What AWS's refusal means for the user; an error of our own stays as it is. */
export function refusal(error: unknown, instance: string, region: string): unknown {
  if (error instanceof UserError) return error;
  const { name = "", code = "" } = (error ?? {}) as { name?: string; code?: string };
  const fix = fixes[name.replace(/(Fault|Exception)$/, "")] ?? fixes[code];
  // What is not AWS's word is a defect of ours, and keeps its stack.
  if (!fix && !(error as { $metadata?: unknown }).$metadata) return error;
  return new UserError(`AWS refuses what was asked of the instance ${instance} in ${region}`, {
    why: messageOf(error) || name || code,
    ...(fix && { fix }),
    cause: error,
  });
}
