import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { BackupTarget } from "../../toolkit/backup/target.ts";
import type { Connection } from "../../toolkit/connection.ts";
import type { Config } from "../config.ts";
import { rdsParameters } from "../parameters.ts";
import type { Server } from "./index.ts";

const user = "postgres";
const port = 5432;

/**
 * PostgreSQL on Amazon RDS: its own parameter group, encrypted storage that grows, a standby, backups, and a password
 * that Secrets Manager keeps. Nothing but the named security groups may connect.
 */
export class RdsServer extends pulumi.ComponentResource implements Server {
  readonly connection: pulumi.Output<Connection>;
  readonly serverVersion: pulumi.Output<string>;
  readonly identity: pulumi.Output<string>;
  readonly backup: pulumi.Output<BackupTarget>;

  constructor(name: string, config: Config, options?: pulumi.ComponentResourceOptions) {
    super("database:server:RdsServer", name, {}, options);
    const child = { parent: this };
    const tags = { stack: pulumi.getStack(), project: pulumi.getProject() };

    const subnetIds = config.subnetIds.length > 0 ? pulumi.output(config.subnetIds) : ownSubnets(name, child, tags);
    const subnetGroup = new aws.rds.SubnetGroup(name, { subnetIds, tags }, child);
    const vpcId = subnetGroup.vpcId;

    const securityGroup = new aws.ec2.SecurityGroup(
      name,
      { vpcId, description: "PostgreSQL, from the named security groups only", tags },
      child,
    );
    for (const source of config.securityGroupIds)
      new aws.vpc.SecurityGroupIngressRule(
        `${name}-from-${source}`,
        {
          securityGroupId: securityGroup.id,
          referencedSecurityGroupId: source,
          ipProtocol: "tcp",
          fromPort: port,
          toPort: port,
        },
        child,
      );

    const parameterGroup = new aws.rds.ParameterGroup(
      name,
      { family: `postgres${config.version}`, parameters: rdsParameters(config.version, config.parameters), tags },
      child,
    );

    const instance = new aws.rds.Instance(
      name,
      {
        engine: "postgres",
        engineVersion: String(config.version),
        instanceClass: config.instanceClass,
        dbName: config.name,
        port,
        username: user,
        manageMasterUserPassword: true,
        parameterGroupName: parameterGroup.name,
        dbSubnetGroupName: subnetGroup.name,
        vpcSecurityGroupIds: [securityGroup.id],
        publiclyAccessible: false,
        storageType: "gp3",
        allocatedStorage: config.allocatedStorage,
        maxAllocatedStorage: config.maxAllocatedStorage,
        storageEncrypted: true,
        multiAz: config.multiAz,
        backupRetentionPeriod: config.backupRetention,
        copyTagsToSnapshot: true,
        deletionProtection: true,
        skipFinalSnapshot: !config.finalBackup,
        finalSnapshotIdentifier: config.finalBackup ? `${name}-${pulumi.getStack()}-final` : undefined,
        performanceInsightsEnabled: true,
        enabledCloudwatchLogsExports: ["postgresql", "upgrade"],
        tags,
      },
      { ...child, protect: true },
    );

    const secret = aws.secretsmanager.getSecretVersionOutput(
      { secretId: instance.masterUserSecrets[0]!.secretArn },
      { parent: this },
    );
    this.connection = pulumi.secret(
      pulumi
        .all([instance.address, instance.dbName, secret.secretString])
        .apply(([host, database, json]): Connection => {
          const { password } = JSON.parse(json) as { password: string };
          return { host, port, database, user, password, ssl: "rds" };
        }),
    );
    this.serverVersion = instance.engineVersionActual;
    this.identity = instance.resourceId;
    const region = new pulumi.Config("aws").require("region");
    this.backup = instance.identifier.apply(
      (instanceIdentifier): BackupTarget => ({ kind: "rds", instanceIdentifier, region }),
    );
    this.registerOutputs({ address: instance.address, serverVersion: this.serverVersion });
  }
}

/** A small private network for a stack that names no subnets: two availability zones, no way in or out. */
function ownSubnets(
  name: string,
  child: pulumi.ResourceOptions,
  tags: Record<string, string>,
): pulumi.Output<string[]> {
  const vpc = new aws.ec2.Vpc(name, { cidrBlock: "10.87.0.0/24", enableDnsHostnames: true, tags }, child);
  const region = new pulumi.Config("aws").require("region");
  const subnets = ["a", "b"].map(
    (zone, index) =>
      new aws.ec2.Subnet(
        `${name}-${zone}`,
        { vpcId: vpc.id, cidrBlock: `10.87.0.${index * 64}/26`, availabilityZone: `${region}${zone}`, tags },
        child,
      ),
  );
  return pulumi.all(subnets.map((subnet) => subnet.id));
}
