import { CloudWatchClient, type MetricDatum, PutMetricDataCommand } from "@aws-sdk/client-cloudwatch";
import { messageOf, UserError } from "../errors.ts";
import type { Snapshot } from "../monitor/snapshot.ts";
import { type CloudWatchPlace, dimensionsOf } from "./place.ts";
import { metrics } from "./table.ts";

/**
 * What a snapshot is to CloudWatch: of each metric the worst value, in no other dimension than the server and the
 * database, for every combination is a metric that is paid for.
 * @param server its host, as clients name it
 */
export function metricData(taken: Snapshot, server: string): MetricDatum[] {
  const dimensions = dimensionsOf(server, taken.server.database);
  return metrics.flatMap(({ cloudWatch, read }): MetricDatum[] => {
    const values = cloudWatch ? read(taken).map(({ value }) => value) : [];
    if (!cloudWatch || values.length === 0) return [];
    return [
      {
        ...{ MetricName: cloudWatch.name, Unit: cloudWatch.unit, Dimensions: dimensions },
        Value: cloudWatch.worst === "highest" ? Math.max(...values) : Math.min(...values),
        Timestamp: new Date(taken.takenAt),
      },
    ];
  });
}

/** Sends a snapshot's metrics, as {@link putData} does. */
export const putMetrics = (taken: Snapshot, server: string, place: CloudWatchPlace): Promise<number> =>
  putData(metricData(taken, server), place);

/**
 * Sends metrics, in one call. Credentials are found as the AWS command line finds them.
 * @returns how many
 * @throws UserError with AWS's own words
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
 */
export async function putData(data: MetricDatum[], { namespace, region, endpoint }: CloudWatchPlace): Promise<number> {
  const client = new CloudWatchClient({ region, ...(endpoint ? { endpoint } : {}) });
  try {
    await client.send(new PutMetricDataCommand({ Namespace: namespace, MetricData: data }));
    return data.length;
  } catch (error) {
    throw new UserError(`CloudWatch in ${region} does not take the metrics`, {
      why: `${messageOf(error).replace(/^AWS SDK error wrapper for Error: /, "")}.`,
      fix: "Check the region and the credentials: they need cloudwatch:PutMetricData.",
      cause: error,
    });
  } finally {
    client.destroy();
  }
}
