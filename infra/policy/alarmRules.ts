import { isObject } from "../engine/wire.ts";
import { entries, instanceType, isReplica, known, type Resource, type Rule } from "./rule.ts";

/** What must be watched, and what it tells too late when it is not. */
export const watched: { metric: string; of: "every instance" | "replicas"; why: string }[] = [
  { metric: "CPUUtilization", of: "every instance", why: "a runaway query" },
  { metric: "FreeableMemory", of: "every instance", why: "swapping" },
  { metric: "FreeStorageSpace", of: "every instance", why: "a full disk, which stops the database" },
  { metric: "DatabaseConnections", of: "every instance", why: "a pool that leaks" },
  { metric: "ReplicaLag", of: "replicas", why: "stale reads" },
];

/** The metrics that an alarm looks at, each with its dimensions; an alarm on an expression looks at several. */
function metricsOf({ type, props, propertyDependencies }: Resource) {
  if (type !== "aws:cloudwatch/metricAlarm:MetricAlarm") return [];
  const queries = entries(props.metricQueries).map(({ metric }) => known(metric));
  return [
    { metric: known(props.metricName), dimensions: known(props.dimensions), from: propertyDependencies.dimensions },
    ...queries.filter(isObject).map((metric) => ({
      metric: known(metric.metricName),
      dimensions: known(metric.dimensions),
      from: propertyDependencies.metricQueries,
    })),
  ];
}

export const alarmRules: Rule[] = [
  {
    name: "alarms-exist",
    description: `Every instance has alarms on ${watched.map(({ metric, of }) => `${metric}${of === "replicas" ? " (replicas)" : ""}`).join(", ")}`,
    enforcementLevel: "mandatory",
    wholeStack: true,
    validate: (instance, stack) => {
      if (instance.type !== instanceType) return [];
      const identifier = known(instance.props.identifier);
      const seen = new Set(
        stack
          .flatMap(metricsOf)
          .filter(({ dimensions, from }) => {
            const named = isObject(dimensions) ? known(dimensions.DBInstanceIdentifier) : undefined;
            // An identifier that AWS gives is not known beforehand: then the alarm says whose it is.
            return named === undefined ? from?.includes(instance.urn) : named === identifier;
          })
          .map(({ metric }) => metric),
      );
      const missing = watched.filter(
        ({ metric, of }) => !seen.has(metric) && (of === "every instance" || isReplica(instance)),
      );
      if (missing.length === 0) return [];
      const list = missing.map(({ metric, why }) => `${metric} (${why})`).join(", ");
      return [`no alarm would tell of ${list}: add one for each`];
    },
  },
];
