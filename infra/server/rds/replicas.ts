import * as pulumi from "@pulumi/pulumi";
import type { Config, Replica } from "../../config.ts";
import { Alarms } from "./alarms.ts";
import { capacityOf } from "./alarmTable.ts";
import type { Channels } from "./channels.ts";
import type { Children } from "./children.ts";
import type { Shown } from "./dashboard.ts";
import { commonArgs, identifierOf, makeLogGroups, makeParameterGroup } from "./instance.ts";
import type { Network } from "./network.ts";

/** What a router needs to know of a replica. */
export interface ReplicaOutput {
  name: string;
  /** What RDS calls it. */
  identifier: string;
  endpoint: string;
  region: string;
  /** Its share of the reads, beside the weights of the others. */
  weight: number;
  /** Who is promoted first when the primary is lost: the lowest. */
  promotionTier: number;
}

export interface ReplicaArgs {
  config: Config;
  replica: Replica;
  /** The primary: its ARN, by which a replica is made in any region and in any subnet group. */
  sourceArn: pulumi.Input<string>;
  network: Network;
  channels: Channels;
  monitoringRoleArn: pulumi.Input<string> | undefined;
  key: pulumi.Input<string> | undefined;
}

/**
 * What a replica sets beside the common table: long reads shall not be cancelled by vacuum on the primary.
 * @see https://www.postgresql.org/docs/current/runtime-config-replication.html#GUC-HOT-STANDBY-FEEDBACK
 */
const replicaParameters = { hot_standby_feedback: true };

/** A read replica with its own parameter group, logs and alarms. */
export class ReadReplica extends pulumi.ComponentResource {
  readonly output: pulumi.Output<ReplicaOutput>;
  readonly identifier: pulumi.Output<string>;
  readonly region: string;
  readonly shown: Shown;

  constructor(name: string, args: ReplicaArgs, children: Children, options: pulumi.ComponentResourceOptions) {
    super("database:server:ReadReplica", name, {}, options);
    const own = children.below(this);
    const { config, replica } = args;
    const { region, weight, promotionTier } = replica;
    const identifier = identifierOf(pulumi.getProject(), pulumi.getStack(), replica.name);

    const parameterGroupName = makeParameterGroup(name, config, replicaParameters, own);
    const logGroups = makeLogGroups(name, identifier, config, own);
    const instance = own.make(
      "replica",
      name,
      {
        ...commonArgs(config, args.monitoringRoleArn, args.key),
        // In the primary's region a replica has the primary's key, and RDS takes no other
        // (https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstanceReadReplica.html).
        ...(own.region && args.key && { kmsKeyId: args.key }),
        identifier,
        instanceClass: replica.class,
        replicateSourceDb: args.sourceArn,
        parameterGroupName,
        dbSubnetGroupName: args.network.subnetGroupName,
        vpcSecurityGroupIds: [args.network.securityGroupId],
        ...(replica.zone && { availabilityZone: replica.zone }),
        // A replica holds nothing that the primary does not hold.
        skipFinalSnapshot: true,
        backupRetentionPeriod: 0,
      },
      { dependsOn: logGroups },
    );
    const capacity = capacityOf(replica.class, config, true);
    new Alarms(name, { identifier: instance.identifier, capacity, channels: args.channels }, own, { parent: this });

    this.output = pulumi.all([instance.identifier, instance.endpoint]).apply(([instanceIdentifier, endpoint]) => ({
      name: replica.name,
      identifier: instanceIdentifier,
      endpoint,
      region,
      weight,
      promotionTier,
    }));
    this.identifier = instance.identifier;
    this.region = region;
    this.shown = { identifier: instance.identifier, region, capacity };
    this.registerOutputs({ replica: this.output });
  }
}
