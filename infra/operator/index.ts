import * as pulumi from "@pulumi/pulumi";
import type { Config } from "../config.ts";
import type { Roles } from "../roles.ts";
import type { Server } from "../server/index.ts";
import { Children, type Transforms } from "../server/rds/children.ts";
import { identifierOf } from "../server/rds/instance.ts";
import { makeAlarms } from "./alarms.ts";
import { imageIn, isInOwnRepository } from "./image.ts";
import { makeLogins } from "./login.ts";
import { makePlace } from "./network.ts";
import { makeRole, partsOf, type Statement } from "./policies.ts";
import { makeRepository, pullStatements } from "./repository.ts";
import { everyMinutes } from "./schedule.ts";
import { makeSchedules } from "./schedules.ts";
import { type Common, defineTask } from "./tasks.ts";

/** Whether the configuration asks for an operator; a preview says so where an RDS stack has none. */
export function wantsOperator({ server, operatorImage }: Config): boolean {
  if (server === "rds" && !operatorImage && pulumi.runtime.isDryRun())
    void pulumi.log.info("operatorImage is not set: nothing on this stack runs `toolkit maintain` or sends metrics");
  return server === "rds" && operatorImage !== "";
}

/**
 * What keeps house beside the database: two tasks of Fargate by the clock, `toolkit maintain`, and `toolkit metrics` with
 * `toolkit record`. Metrics are sent by a task each few minutes rather than by a service: at every five minutes it costs a
 * fifth, for at least a minute of each is billed; and it reads its password anew, which a service would keep beyond a rotation.
 */
export class Operator extends pulumi.ComponentResource {
  /** Where images are pushed; undefined where the image is another's. */
  readonly repositoryUrl: pulumi.Output<string> | undefined;

  constructor(
    name: string,
    server: Server,
    roles: Roles | undefined,
    config: Config,
    transforms: Transforms = {},
    options?: pulumi.ComponentResourceOptions,
  ) {
    super("database:operator:Operator", name, {}, options);
    const own = new Children(this, transforms);
    const { network, channels, key } = server.site!;
    const region = config.region!;
    const identifier = identifierOf(pulumi.getProject(), pulumi.getStack());
    const namespace = `${identifier}/PostgreSQL`;
    const host = pulumi.unsecret(server.connection.apply((connection) => connection.host));

    const repository = isInOwnRepository(config.operatorImage) ? makeRepository(name, identifier, own) : undefined;
    const image = repository
      ? repository.repositoryUrl.apply((url) => imageIn(url, config.operatorImage))
      : config.operatorImage;
    const logGroup = own.make("logGroup", name, {
      name: `/ecs/${identifier}-operator`,
      retentionInDays: config.logRetention,
    });
    const cluster = own.make("cluster", name, {
      name: `${identifier}-operator`,
      settings: [{ name: "containerInsights", value: "disabled" }],
    });
    const place = makePlace(name, network, region, own);
    const logins = makeLogins(name, { server, roles, config, key }, own);

    const role = (label: string, statements: Statement[]) =>
      makeRole(`${name}-${label}`, "ecs-tasks.amazonaws.com", cluster.arn, statements, own);
    const executionRoleArn = role("execution", [
      ...pullStatements(repository?.arn, config.operatorImage, cluster.arn),
      { Action: ["logs:CreateLogStream", "logs:PutLogEvents"], Resource: pulumi.interpolate`${logGroup.arn}:*` },
      { Action: "secretsmanager:GetSecretValue", Resource: logins.secretArn },
      ...(key ? [decryptStatement(key, region)] : []),
    ]);
    const send: Statement = {
      Action: "cloudwatch:PutMetricData",
      Resource: "*",
      Condition: { StringEquals: { "cloudwatch:namespace": namespace } },
    };
    const maintenanceRoleArn = role("maintenance", [send, ...pruneStatements(cluster.arn, identifier)]);
    const metricsRoleArn = role("metrics", [send]);

    const common: Common = {
      ...{ image, region, host, database: config.name, executionRoleArn, logGroupName: logGroup.name },
      context: server.backup.apply((backup) => ({
        backup,
        keptBackups: { count: config.backupCount, days: config.backupRetention },
        thresholds: config.thresholds,
      })),
    };
    const cloudwatch = ["--cloudwatch", namespace, "--region", region];
    const maintain = ["maintain", "--budget", "1h", "--without-archive", ...cloudwatch];
    const maintenance = defineTask(
      `${name}-maintenance`,
      `${identifier}-maintenance`,
      [{ name: "maintain", command: maintain, login: logins.maintenance, writes: ["db_reports"] }],
      common,
      maintenanceRoleArn,
      own,
    );
    const metrics = defineTask(
      `${name}-metrics`,
      `${identifier}-metrics`,
      [
        { name: "metrics", command: ["metrics", ...cloudwatch], login: logins.metrics },
        { name: "record", command: ["record", "--once"], login: logins.maintenance, after: "metrics" },
      ],
      common,
      metricsRoleArn,
      own,
    );

    const queue = own.make("queue", `${name}-not-started`, {
      name: `${identifier}-maintenance-not-started`,
      sqsManagedSseEnabled: true,
      messageRetentionSeconds: 14 * 24 * 3600,
    });
    const roleArns = [executionRoleArn, maintenanceRoleArn, metricsRoleArn];
    makeSchedules(
      name,
      {
        maintenance: {
          name: `${identifier}-maintenance`,
          description: "toolkit maintain. Runbook: runbooks/maintenance-not-run.md",
          expression: config.maintenanceSchedule,
          timeZone: config.maintenanceTimeZone,
          taskDefinition: maintenance,
          retry: { seconds: 3600, attempts: 20 },
          deadLetterArn: queue.arn,
        },
        metrics: {
          name: `${identifier}-metrics`,
          description: "toolkit metrics and toolkit record. Runbook: runbooks/maintenance-not-run.md",
          expression: everyMinutes(config.metricsInterval),
          timeZone: "UTC",
          taskDefinition: metrics,
          // The next run is near, and its lack has an alarm.
          retry: { seconds: 60, attempts: 1 },
        },
      },
      { clusterArn: cluster.arn, roleArns, place },
      own,
    );
    const { maintenanceSchedule, metricsInterval } = config;
    const watched = { namespace, host, database: config.name, queueName: queue.name, channels };
    makeAlarms(name, { ...watched, maintenanceSchedule, metricsInterval }, own);
    this.repositoryUrl = repository?.repositoryUrl;
    this.registerOutputs({ repositoryUrl: this.repositoryUrl });
  }
}

/** The secret's key, by way of Secrets Manager alone. */
const decryptStatement = (key: pulumi.Input<string>, region: string): Statement => ({
  Action: "kms:Decrypt",
  Resource: key,
  Condition: { StringEquals: { "kms:ViaService": `secretsmanager.${region}.amazonaws.com` } },
});

/** To prune the snapshots that were made before migrations; not the final one, nor anybody else's. */
function pruneStatements(ownArn: pulumi.Output<string>, identifier: string): Statement[] {
  const snapshots = ownArn.apply((arn) => {
    const { partition, region, account } = partsOf(arn);
    return `arn:${partition}:rds:${region}:${account}:snapshot:${identifier}-backup-*`;
  });
  return [
    { Action: "rds:DescribeDBSnapshots", Resource: "*" },
    { Action: "rds:DeleteDBSnapshot", Resource: snapshots },
  ];
}
