import * as pulumi from "@pulumi/pulumi";
import type { Children } from "../server/rds/children.ts";
import type { Place } from "./network.ts";
import { makeRole } from "./policies.ts";

/** A task that runs by the clock. */
export interface Timed {
  name: string;
  description: string;
  expression: string;
  timeZone: string;
  taskDefinition: { arn: pulumi.Output<string> };
  /** How long it is tried again to start it, in seconds, and how often. */
  retry: { seconds: number; attempts: number };
  /** Where it is told that it could not be started. */
  deadLetterArn?: pulumi.Output<string>;
}

/** Lets EventBridge Scheduler run tasks of a cluster, and nothing else. */
export function makeSchedules(
  name: string,
  tasks: Record<string, Timed>,
  {
    clusterArn,
    roleArns,
    place,
  }: { clusterArn: pulumi.Output<string>; roleArns: pulumi.Input<string>[]; place: Place },
  own: Children,
): void {
  const timed = Object.entries(tasks);
  const queues = timed.flatMap(([, { deadLetterArn }]) => deadLetterArn ?? []);
  const roleArn = makeRole(
    `${name}-scheduler`,
    "scheduler.amazonaws.com",
    clusterArn,
    [
      {
        Action: "ecs:RunTask",
        // Any revision: a schedule names the newest one.
        Resource: pulumi.all(timed.map(([, task]) => task.taskDefinition.arn.apply(anyRevision))),
        Condition: { ArnEquals: { "ecs:cluster": clusterArn } },
      },
      {
        Action: "iam:PassRole",
        Resource: pulumi.all(roleArns),
        Condition: { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } },
      },
      { Action: "sqs:SendMessage", Resource: pulumi.all(queues) },
    ],
    own,
  );
  for (const [
    label,
    { name: scheduleName, description, expression, timeZone, taskDefinition, retry, deadLetterArn },
  ] of timed)
    own.make("schedule", `${name}-${label}`, {
      name: scheduleName,
      description,
      scheduleExpression: expression,
      scheduleExpressionTimezone: timeZone,
      flexibleTimeWindow: { mode: "OFF" },
      target: {
        arn: clusterArn,
        roleArn,
        ecsParameters: {
          taskDefinitionArn: taskDefinition.arn,
          launchType: "FARGATE",
          taskCount: 1,
          networkConfiguration: {
            subnets: place.subnetIds,
            securityGroups: place.securityGroupIds,
            assignPublicIp: false,
          },
        },
        retryPolicy: { maximumEventAgeInSeconds: retry.seconds, maximumRetryAttempts: retry.attempts },
        ...(deadLetterArn && { deadLetterConfig: { arn: deadLetterArn } }),
      },
    });
}

const anyRevision = (arn: string) => arn.replace(/:\d+$/, "").concat(":*");
