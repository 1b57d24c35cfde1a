import type { Connection } from "../connection.ts";
import { messageOf } from "../errors.ts";
import { type CloudWatchPlace, dimensionsOf } from "../metrics/place.ts";
import { failedSteps } from "./failedSteps.ts";
import type { Report } from "./report.ts";

/**
 * Does maintenance, and tells CloudWatch how many steps failed; a run that breaks off counts as one.
 * @throws what `work` throws. That CloudWatch cannot be told is no failure of maintenance: it is said, and the lack of the
 *   metric shows there.
 */
export async function toldCloudWatch(
  { host, database }: Connection,
  place: CloudWatchPlace,
  say: (line: string) => void,
  work: () => Promise<Report>,
): Promise<Report> {
  // The SDK is big: who keeps house without AWS does not load it.
  const { putData } = await import("../metrics/cloudwatch.ts");
  const tell = (failed: number) => {
    const datum = { MetricName: failedSteps, Unit: "Count", Value: failed, Timestamp: new Date() } as const;
    return putData([{ ...datum, Dimensions: dimensionsOf(host, database) }], place).catch((error: unknown) =>
      say(messageOf(error)),
    );
  };
  try {
    const report = await work();
    await tell(report.steps.filter(({ result }) => result === "failed").length);
    return report;
  } catch (error) {
    await tell(1);
    throw error;
  }
}
