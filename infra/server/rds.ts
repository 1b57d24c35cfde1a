import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { BackupTarget } from "../../toolkit/backup/target.ts";
import type { Connection } from "../../toolkit/connection.ts";
import type { Config } from "../config.ts";
import type { Server } from "./index.ts";
import { Alarms } from "./rds/alarms.ts";
import { capacityOf } from "./rds/alarmTable.ts";
import { Backups } from "./rds/backups.ts";
import { Channels } from "./rds/channels.ts";
import { Children, type Transforms } from "./rds/children.ts";
import { makeDashboard } from "./rds/dashboard.ts";
import { commonArgs, identifierOf, makeLogGroups, makeParameterGroup } from "./rds/instance.ts";
import { makeDataKey } from "./rds/keys.ts";
import { Network, port } from "./rds/network.ts";
import { type MasterPassword, managedPassword, masterUser, ownPassword } from "./rds/password.ts";
import { makeReplicas, type Region } from "./rds/regions.ts";
import type { ReplicaOutput } from "./rds/replicas.ts";
import { makeServiceRole } from "./rds/serviceRole.ts";

/** PostgreSQL on Amazon RDS, with all that production wants around it. */
export class RdsServer extends pulumi.ComponentResource implements Server {
  readonly connection: pulumi.Output<Connection>;
  readonly serverVersion: pulumi.Output<string>;
  readonly identity: pulumi.Output<string>;
  readonly backup: pulumi.Output<BackupTarget>;
  /** For a router of reads: where the replicas are, and their weights. */
  readonly replicas: pulumi.Output<ReplicaOutput[]>;
  /** The secret in Secrets Manager that holds the master user's password. */
  readonly masterSecretArn: pulumi.Output<string>;
  readonly site: Region;
  /** The security group to give to an application, where none was named. */
  readonly clientSecurityGroupId: pulumi.Output<string> | undefined;

  /** @param transforms changes to the arguments and options of child resources, by kind */
  constructor(name: string, config: Config, transforms: Transforms = {}, options?: pulumi.ComponentResourceOptions) {
    super("database:server:RdsServer", name, {}, options);
    const own = new Children(this, transforms);
    const child = { parent: this };
    const region = config.region!;

    const key = makeDataKey(name, config.encryptionKey, config.deletionProtection, own);
    const network = new Network(name, { ...config, zones: config.zones.map((zone) => region + zone) }, own, child);
    const channels = new Channels(name, config.alarmEmails, own, child);
    const monitoringRole = config.monitoringInterval > 0 ? makeMonitoringRole(name, own) : undefined;
    const password = config.masterPassword === "own" ? ownPassword(name, config, key, own) : managedPassword(key);

    const instance = makePrimary(name, { config, network, key, monitoringRole, password }, own);
    const primary = { identifier: instance.identifier, region, capacity: capacityOf(config.instanceClass, config) };
    new Alarms(name, { ...primary, channels }, own, child);
    const common = { config, sourceArn: instance.arn, monitoringRoleArn: monitoringRole };
    const replicas = makeReplicas(name, common, { network, channels, key }, own, child);
    channels.subscribeToEvents([primary, ...replicas.filter((replica) => replica.region === region)]);
    makeDashboard(name, [primary, ...replicas.map(({ shown }) => shown)], own);
    if (config.dailyBackups + config.weeklyBackups + config.monthlyBackups > 0)
      new Backups(name, { config, instanceArn: instance.arn, network, channels }, own, child);

    this.connection = pulumi.secret(
      pulumi
        .all([instance.address, instance.dbName, password.read(instance)])
        .apply(([host, database, secret]): Connection => {
          return { host, port, database, user: masterUser, password: secret, ssl: "rds" };
        }),
    );
    this.serverVersion = instance.engineVersionActual;
    this.identity = instance.resourceId;
    this.backup = instance.identifier.apply(
      (instanceIdentifier): BackupTarget => ({ kind: "rds", instanceIdentifier, region }),
    );
    this.replicas = pulumi.all(replicas.map(({ output }) => output));
    this.masterSecretArn = password.secretArn(instance);
    this.site = { network, channels, key };
    this.clientSecurityGroupId = network.clientSecurityGroupId;
    this.registerOutputs({ address: instance.address, serverVersion: this.serverVersion, replicas: this.replicas });
  }
}

/** The role by which enhanced monitoring writes the operating system's figures to CloudWatch. */
function makeMonitoringRole(name: string, own: Children): pulumi.Output<string> {
  const policies = ["AmazonRDSEnhancedMonitoringRole"];
  return makeServiceRole(`${name}-monitoring`, "monitoring.rds.amazonaws.com", policies, own);
}

interface Primary {
  config: Config;
  network: Network;
  key: pulumi.Input<string> | undefined;
  monitoringRole: pulumi.Input<string> | undefined;
  password: MasterPassword;
}

function makePrimary(name: string, primary: Primary, own: Children): aws.rds.Instance {
  const { config, network, password } = primary;
  const identifier = identifierOf(pulumi.getProject(), pulumi.getStack());
  const parameterGroupName = makeParameterGroup(name, config, {}, own);
  const logGroups = makeLogGroups(name, identifier, config, own);
  return own.make(
    "instance",
    name,
    {
      ...commonArgs(config, primary.monitoringRole, primary.key),
      ...(primary.key && { kmsKeyId: primary.key }),
      identifier,
      engine: "postgres",
      engineVersion: String(config.version),
      allowMajorVersionUpgrade: config.allowMajorVersionUpgrade,
      instanceClass: config.instanceClass,
      multiAz: config.multiAz,
      dbName: config.name,
      username: masterUser,
      ...password.args,
      parameterGroupName,
      port,
      dbSubnetGroupName: network.subnetGroupName,
      vpcSecurityGroupIds: [network.securityGroupId],
      allocatedStorage: config.allocatedStorage,
      backupRetentionPeriod: config.backupRetention,
      backupWindow: config.backupWindow,
      // What allows going back to a second outlives the instance.
      deleteAutomatedBackups: false,
      skipFinalSnapshot: !config.finalBackup,
      ...(config.finalBackup && { finalSnapshotIdentifier: `${identifier}-final` }),
      ...(config.blueGreen && { blueGreenUpdate: { enabled: true } }),
    },
    { protect: config.deletionProtection, retainOnDelete: config.retainOnDelete, dependsOn: logGroups },
  );
}
