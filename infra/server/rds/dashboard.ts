import * as pulumi from "@pulumi/pulumi";
import { alarmsFor, type Capacity } from "./alarmTable.ts";
import type { Children } from "./children.ts";

/** An instance as the dashboard shows it. */
export interface Shown {
  identifier: pulumi.Output<string>;
  region: string;
  capacity: Capacity;
}

// CloudWatch's grid is 24 wide: three graphs a row.
const [width, height, columns] = [8, 6, 3];

/** One graph for each metric that has an alarm: a line for each instance, a red line for each of the primary's thresholds. */
export function makeDashboard(name: string, instances: Shown[], own: Children): void {
  own.make("dashboard", name, {
    dashboardName: `${pulumi.getProject()}-${pulumi.getStack()}`,
    dashboardBody: pulumi.all(instances.map(({ identifier }) => identifier)).apply((identifiers) =>
      JSON.stringify({
        widgets: widgets(instances.map((shown, index) => ({ ...shown, identifier: identifiers[index]! }))),
      }),
    ),
  });
}

type Known = Omit<Shown, "identifier"> & { identifier: string };

function widgets(instances: Known[]) {
  const shown = instances.map((instance) => ({ ...instance, alarms: alarmsFor(instance.capacity) }));
  const metrics = [...new Set(shown.flatMap(({ alarms }) => alarms.map(({ metric }) => metric)))];
  return metrics.map((metric, index) => {
    const having = shown.filter(({ alarms }) => alarms.some((alarm) => alarm.metric === metric));
    const rows = having[0]!.alarms.filter((alarm) => alarm.metric === metric);
    return {
      type: "metric",
      x: (index % columns) * width,
      y: Math.floor(index / columns) * height,
      width,
      height,
      properties: {
        title: `${metric} (${rows[0]!.unit})`,
        region: having[0]!.region,
        stat: rows[0]!.statistic,
        period: rows[0]!.period,
        metrics: having.map(({ identifier, region }) => [
          "AWS/RDS",
          metric,
          "DBInstanceIdentifier",
          identifier,
          { label: identifier, region },
        ]),
        annotations: { horizontal: rows.map(({ name, threshold }) => ({ label: name, value: threshold })) },
      },
    };
  });
}
