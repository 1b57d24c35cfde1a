import type * as pulumi from "@pulumi/pulumi";
import type { Config } from "../../config.ts";
import { rdsParameters } from "../../parameters.ts";
import type { ArgsOf, Children } from "./children.ts";

/** Logs that RDS hands to CloudWatch. */
const logs = ["postgresql", "upgrade"];

/**
 * Days that Database Insights keeps its data: seven cost nothing, the advanced mode wants fifteen months.
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_DatabaseInsights.TurningOnAdvanced.html
 */
const insightsRetention = { standard: 7, advanced: 465 };

/** A name as RDS takes it: lower-case letters, digits and single hyphens, a letter first, at most 63. */
export function identifierOf(...parts: string[]): string {
  return parts
    .join("-")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+/, "")
    .slice(0, 63)
    .replace(/-$/, "");
}

/** A parameter group from the one table of parameters. `extra` is for replicas. */
export function makeParameterGroup(
  name: string,
  config: Config,
  extra: Config["parameters"],
  own: Children,
): pulumi.Output<string> {
  return own.make("parameterGroup", `${name}-${config.version}`, {
    family: `postgres${config.version}`,
    description: `PostgreSQL ${config.version}, from infra/parameters.ts`,
    parameters: rdsParameters(config.version, { ...extra, ...config.parameters }),
  }).name;
}

/** CloudWatch would keep the logs for ever; made beforehand, they are kept as long as configured. */
export function makeLogGroups(name: string, identifier: string, config: Config, own: Children): pulumi.Resource[] {
  return logs.map((log) =>
    own.make("logGroup", `${name}-${log}`, {
      name: `/aws/rds/instance/${identifier}/${log}`,
      retentionInDays: config.logRetention,
    }),
  );
}

/** What the primary and its replicas have in common. */
export function commonArgs(
  config: Config,
  monitoringRoleArn: pulumi.Input<string> | undefined,
  keyArn: pulumi.Input<string> | undefined,
): Omit<ArgsOf<"instance">, "instanceClass"> {
  return {
    // Storage
    storageType: "gp3",
    storageEncrypted: true,
    maxAllocatedStorage: config.maxAllocatedStorage,
    ...(config.iops && { iops: config.iops }),
    ...(config.storageThroughput && { storageThroughput: config.storageThroughput }),
    // Access
    publiclyAccessible: false,
    iamDatabaseAuthenticationEnabled: config.iamAuthentication,
    caCertIdentifier: config.caCertificate,
    // Upkeep
    maintenanceWindow: config.maintenanceWindow,
    autoMinorVersionUpgrade: config.autoMinorVersionUpgrade,
    applyImmediately: config.applyImmediately,
    deletionProtection: config.deletionProtection,
    copyTagsToSnapshot: true,
    // What is seen of it
    enabledCloudwatchLogsExports: logs,
    performanceInsightsEnabled: true,
    performanceInsightsRetentionPeriod: insightsRetention[config.databaseInsights],
    ...(keyArn && { performanceInsightsKmsKeyId: keyArn }),
    databaseInsightsMode: config.databaseInsights,
    monitoringInterval: config.monitoringInterval,
    ...(monitoringRoleArn && { monitoringRoleArn }),
  };
}
