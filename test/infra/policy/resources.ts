import type { Resource } from "../../../infra/policy/rule.ts";

/** A resource as a rule sees it, of stack prod unless told otherwise. */
export function resource(
  type: string,
  props: Resource["props"],
  more: Partial<Resource> & { stack?: string } = {},
): Resource {
  const { stack = "prod", name = "server", ...rest } = more;
  return {
    urn: `urn:pulumi:${stack}::database::${type}::${name}`,
    type,
    name,
    props,
    propertyDependencies: {},
    ...rest,
  };
}

export const instanceType = "aws:rds/instance:Instance";

/** A primary that keeps every rule; an alarm on each metric comes with {@link alarmsOf}. */
export const primary = (changes: Resource["props"] = {}, more: Parameters<typeof resource>[2] = {}): Resource =>
  resource(
    instanceType,
    {
      identifier: "database-prod",
      instanceClass: "db.r7g.large",
      storageType: "gp3",
      allocatedStorage: 200,
      storageEncrypted: true,
      publiclyAccessible: false,
      deletionProtection: true,
      backupRetentionPeriod: 14,
      multiAz: true,
      parameterGroupName: "server-17",
      skipFinalSnapshot: false,
      finalSnapshotIdentifier: "database-prod-final",
      ...changes,
    },
    more,
  );

export const replica = (changes: Resource["props"] = {}): Resource =>
  resource(
    instanceType,
    {
      identifier: "database-prod-replica",
      instanceClass: "db.r7g.large",
      replicateSourceDb: "database-prod",
      parameterGroupName: "server-17-replica",
      skipFinalSnapshot: true,
      ...changes,
    },
    { name: "replica" },
  );

/** Alarms on metrics of an instance. */
export const alarmsOf = (identifier: string, ...metrics: string[]): Resource[] =>
  metrics.map((metricName) =>
    resource(
      "aws:cloudwatch/metricAlarm:MetricAlarm",
      { namespace: "AWS/RDS", metricName, dimensions: { DBInstanceIdentifier: identifier } },
      { name: `${identifier}-${metricName}` },
    ),
  );
