import * as pulumi from "@pulumi/pulumi";
import { alarmsFor, type Capacity, type Severity } from "./alarmTable.ts";
import type { Channels } from "./channels.ts";
import type { Children } from "./children.ts";

export interface AlarmsArgs {
  identifier: pulumi.Input<string>;
  capacity: Capacity;
  channels: Channels;
}

/** The alarms of one instance: a metric alarm for each row of the table, and two that make one message of many symptoms. */
export class Alarms extends pulumi.ComponentResource {
  constructor(name: string, args: AlarmsArgs, children: Children, options: pulumi.ComponentResourceOptions) {
    super("database:server:Alarms", name, {}, options);
    const own = children.below(this);
    const { identifier, channels } = args;
    const names = new Map<string, pulumi.Output<string>>();
    const symptoms: string[] = [];

    for (const alarm of alarmsFor(args.capacity)) {
      const resource = own.make("alarm", `${name}-${alarm.name}`, {
        namespace: "AWS/RDS",
        metricName: alarm.metric,
        dimensions: { DBInstanceIdentifier: identifier },
        statistic: alarm.statistic,
        period: alarm.period,
        evaluationPeriods: alarm.periods,
        comparisonOperator: alarm.comparison === ">" ? "GreaterThanThreshold" : "LessThanThreshold",
        threshold: alarm.threshold,
        treatMissingData: alarm.missing ?? "notBreaching",
        alarmDescription: describe(alarm.why, alarm.runbook),
        ...actionsOf(alarm.severity, channels),
      });
      names.set(alarm.name, resource.name);
      if (alarm.severity === "symptom") symptoms.push(alarm.name);
    }

    const compositeName = `${pulumi.getProject()}-${pulumi.getStack()}-${name}`;
    const others = symptoms.filter((symptom) => symptom !== "load-high");
    const overloaded = own.make("compositeAlarm", `${name}-overloaded`, {
      alarmName: `${compositeName}-overloaded`,
      alarmRule: pulumi.interpolate`${inAlarm(["load-high"], names)} AND (${inAlarm(others, names)})`,
      alarmDescription: describe("sessions queue, and processor or disk are at their limit", "emergency"),
      ...actionsOf("critical", channels),
    });
    own.make("compositeAlarm", `${name}-strained`, {
      alarmName: `${compositeName}-strained`,
      alarmRule: inAlarm(symptoms, names),
      alarmDescription: describe("a sign of overload, which the alarms in its rule name", "emergency"),
      // While the database is overloaded its strain is no news.
      actionsSuppressor: { alarm: overloaded.arn, waitPeriod: 120, extensionPeriod: 60 },
      ...actionsOf("warning", channels),
    });
    this.registerOutputs({});
  }
}

const describe = (why: string, runbook: string) => `${why}. Runbook: runbooks/${runbook}.md`;

function actionsOf(severity: Severity, channels: Channels) {
  if (severity === "symptom") return {};
  const topic = channels.topics[severity];
  return { alarmActions: [topic], okActions: [topic] };
}

/** The rule of a composite alarm that is true when any of the alarms is. */
function inAlarm(alarms: string[], names: Map<string, pulumi.Output<string>>): pulumi.Output<string> {
  return pulumi
    .all(alarms.map((alarm) => names.get(alarm)!))
    .apply((found) => found.map((name) => `ALARM("${name}")`).join(" OR "));
}
