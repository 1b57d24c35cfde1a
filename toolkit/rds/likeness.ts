import type { DBInstance, ModifyDBInstanceMessage } from "@aws-sdk/client-rds";

/**
 * What a restored instance does not take from its source by itself. Left to itself it gets the default security group,
 * no deletion protection, no log exports, and so on.
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_RestoreFromSnapshot.html#USER_RestoreFromSnapshot.Parameters
 */
export function likeAtOnce(source: DBInstance) {
  const { MasterUserSecret: managed } = source;
  return known({
    DBInstanceClass: source.DBInstanceClass,
    DBSubnetGroupName: source.DBSubnetGroup?.DBSubnetGroupName,
    VpcSecurityGroupIds: source.VpcSecurityGroups?.flatMap(({ VpcSecurityGroupId }) => VpcSecurityGroupId ?? []),
    DBParameterGroupName: source.DBParameterGroups?.[0]?.DBParameterGroupName,
    Port: source.Endpoint?.Port,
    PubliclyAccessible: source.PubliclyAccessible,
    MultiAZ: source.MultiAZ,
    ...volume(source),
    DeletionProtection: source.DeletionProtection,
    BackupRetentionPeriod: source.BackupRetentionPeriod || undefined,
    PreferredBackupWindow: source.PreferredBackupWindow,
    AutoMinorVersionUpgrade: source.AutoMinorVersionUpgrade,
    CopyTagsToSnapshot: source.CopyTagsToSnapshot,
    EnableIAMDatabaseAuthentication: source.IAMDatabaseAuthenticationEnabled,
    EnableCloudwatchLogsExports: source.EnabledCloudwatchLogsExports,
    CACertificateIdentifier: source.CACertificateIdentifier,
    // Otherwise it has the password of the moment of the backup, which nobody may know any more.
    ManageMasterUserPassword: managed ? true : undefined,
    MasterUserSecretKmsKeyId: managed?.KmsKeyId,
  });
}

/** What a restore takes no arguments for. */
export function likeAfterwards(source: DBInstance): Partial<ModifyDBInstanceMessage> {
  const insights = source.PerformanceInsightsEnabled ?? false;
  return known({
    PreferredMaintenanceWindow: source.PreferredMaintenanceWindow,
    MaxAllocatedStorage: source.MaxAllocatedStorage,
    MonitoringInterval: source.MonitoringRoleArn ? source.MonitoringInterval : undefined,
    MonitoringRoleArn: source.MonitoringRoleArn,
    DatabaseInsightsMode: insights ? source.DatabaseInsightsMode : undefined,
    EnablePerformanceInsights: insights || undefined,
    PerformanceInsightsKMSKeyId: insights ? source.PerformanceInsightsKMSKeyId : undefined,
    PerformanceInsightsRetentionPeriod: insights ? source.PerformanceInsightsRetentionPeriod : undefined,
  });
}

/** GiB from which on gp3 takes its own performance for PostgreSQL; below it AWS refuses to be told one. */
export const gp3StripedFrom = 400;

/**
 * The volume's performance, where it can be bought.
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage
 */
function volume({ StorageType, AllocatedStorage = 0, Iops, StorageThroughput }: DBInstance) {
  const small = StorageType === "gp3" && AllocatedStorage < gp3StripedFrom;
  return {
    StorageType,
    ...(small || StorageType === "gp2" ? {} : { Iops, StorageThroughput: StorageThroughput || undefined }),
  };
}

/** What is not known is not passed on. */
function known<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
