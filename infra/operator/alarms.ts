import type * as pulumi from "@pulumi/pulumi";
import type { Channels } from "../server/rds/channels.ts";
import type { Children } from "../server/rds/children.ts";
import { operatorAlarms, type Rhythm } from "./alarmTable.ts";

export interface OperatorAlarmsArgs extends Rhythm {
  namespace: string;
  host: pulumi.Input<string>;
  database: string;
  queueName: pulumi.Input<string>;
  channels: Channels;
}

/** A metric alarm for each row of the table. */
export function makeAlarms(name: string, args: OperatorAlarmsArgs, own: Children): void {
  const { namespace, host, database, queueName, channels } = args;
  const places = {
    database: { namespace, dimensions: { Server: host, Database: database } },
    queue: { namespace: "AWS/SQS", dimensions: { QueueName: queueName } },
  };
  for (const alarm of operatorAlarms) {
    const topic = channels.topics[alarm.severity === "critical" ? "critical" : "warning"];
    own.make("alarm", `${name}-${alarm.name}`, {
      ...places[alarm.of],
      metricName: alarm.metric,
      statistic: alarm.statistic,
      period: alarm.period(args),
      evaluationPeriods: alarm.periods(args),
      comparisonOperator: alarm.comparison === ">" ? "GreaterThanThreshold" : "LessThanThreshold",
      threshold: alarm.threshold,
      treatMissingData: alarm.missing ?? "notBreaching",
      alarmDescription: `${alarm.why}. Runbook: runbooks/${alarm.runbook}.md`,
      alarmActions: [topic],
      okActions: [topic],
    });
  }
}
