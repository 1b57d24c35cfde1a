import { failedSteps } from "../../toolkit/maintain/failedSteps.ts";
import type { Alarm } from "../server/rds/alarmTable.ts";
import { patienceOf } from "./schedule.ts";

/** When the operator works. */
export interface Rhythm {
  maintenanceSchedule: string;
  /** Minutes. */
  metricsInterval: number;
}

/** A row of the table: as of the instance's alarms, but that its times follow the schedule. */
export interface OperatorAlarm
  extends Pick<Alarm, "name" | "metric" | "comparison" | "severity" | "runbook" | "missing" | "why" | "source"> {
  /** What the metric is about: the database, in the stack's own namespace, or the queue of what could not be started. */
  of: "database" | "queue";
  statistic: Alarm["statistic"] | "SampleCount";
  /** Seconds. */
  period: (rhythm: Rhythm) => number;
  periods: (rhythm: Rhythm) => number;
  threshold: number;
  unit: "runs" | "steps" | "messages";
}

const [cloudwatch, scheduler] = [
  "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html#alarms-and-missing-data",
  "https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html",
];
const hour = 3600;

// biome-ignore format: one alarm, one block; the table reads better than the formatter's version
export const operatorAlarms: OperatorAlarm[] = [
  { name: "maintenance-missing", of: "database", metric: failedSteps, statistic: "SampleCount",
    period: () => hour, periods: ({ maintenanceSchedule }) => patienceOf(maintenanceSchedule),
    comparison: "<", threshold: 1, unit: "runs", severity: "warning", runbook: "maintenance-not-run", missing: "breaching",
    why: "no run of maintenance has ended in the time in which one was due: partitions ahead run out, dead rows and old transaction ids pile up",
    source: cloudwatch },
  { name: "maintenance-failed", of: "database", metric: failedSteps, statistic: "Maximum",
    period: () => hour, periods: () => 1,
    comparison: ">", threshold: 0, unit: "steps", severity: "warning", runbook: "maintenance-not-run",
    why: "a step of maintenance failed, or the run broke off: its log says which and why",
    source: cloudwatch },
  { name: "maintenance-not-started", of: "queue", metric: "ApproximateNumberOfMessagesVisible", statistic: "Maximum",
    period: () => 300, periods: () => 1,
    comparison: ">", threshold: 0, unit: "messages", severity: "warning", runbook: "maintenance-not-run",
    why: "the schedule could not start maintenance, and gave up: the message in the queue says what AWS answered",
    source: scheduler },
  { name: "metrics-missing", of: "database", metric: "ConnectionsUsed", statistic: "SampleCount",
    period: ({ metricsInterval }) => metricsInterval * 60, periods: () => 4,
    comparison: "<", threshold: 1, unit: "runs", severity: "warning", runbook: "maintenance-not-run", missing: "breaching",
    why: "nobody looks into the database: what only PostgreSQL knows (bloat, locks, old transactions, partitions ahead) goes unseen",
    source: cloudwatch },
];
