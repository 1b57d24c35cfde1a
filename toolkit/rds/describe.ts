import type { DBInstance } from "@aws-sdk/client-rds";
import { describeInstance } from "./instance.ts";
import type { Session } from "./session.ts";

/** What somebody on call wants to know of an instance, by name; what it does not have is left out. */
export type Description = Record<string, string | number | boolean>;

/** Describes an instance as it is now; in a dry run it may not be there yet, and nobody is asked. */
export async function describe(session: Session): Promise<Description> {
  if (session.dry) session.dry.ask = false;
  return describing(await describeInstance(session));
}

/** Picks what matters from what AWS tells. */
export function describing(instance: DBInstance): Description {
  const {
    DBParameterGroups: groups = [],
    Endpoint,
    MasterUserSecret,
    PendingModifiedValues: pending = {},
    ReadReplicaDBInstanceIdentifiers: replicas = [],
    VpcSecurityGroups = [],
  } = instance;
  const known: Record<string, string | number | boolean | undefined> = {
    identifier: instance.DBInstanceIdentifier,
    status: instance.DBInstanceStatus,
    version: instance.EngineVersion,
    class: instance.DBInstanceClass,
    address: Endpoint?.Address && `${Endpoint.Address}:${Endpoint.Port}`,
    resource_id: instance.DbiResourceId,
    multi_az: instance.MultiAZ,
    storage_gib: instance.AllocatedStorage,
    storage_limit_gib: instance.MaxAllocatedStorage,
    storage_type: instance.StorageType,
    iops: instance.Iops,
    throughput_mib: instance.StorageThroughput,
    parameter_group: listed(groups.map((group) => `${group.DBParameterGroupName} (${group.ParameterApplyStatus})`)),
    security_groups: listed(VpcSecurityGroups.map(({ VpcSecurityGroupId }) => VpcSecurityGroupId)),
    subnet_group: instance.DBSubnetGroup?.DBSubnetGroupName,
    public: instance.PubliclyAccessible,
    deletion_protection: instance.DeletionProtection,
    backup_days: instance.BackupRetentionPeriod,
    restorable_until: instance.LatestRestorableTime?.toISOString(),
    replica_of: instance.ReadReplicaSourceDBInstanceIdentifier || undefined,
    replicas: listed(replicas),
    password: MasterUserSecret ? `managed (${MasterUserSecret.SecretStatus})` : "own",
    pending: listed(Object.keys(pending)),
  };
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)) as Description;
}

const listed = (values: (string | undefined)[]) => (values.length > 0 ? values.join(", ") : undefined);
