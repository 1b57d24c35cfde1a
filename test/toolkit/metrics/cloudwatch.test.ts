import { CloudWatchClient, GetMetricStatisticsCommand, ListMetricsCommand } from "@aws-sdk/client-cloudwatch";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { toldCloudWatch } from "../../../toolkit/maintain/cloudwatch.ts";
import type { Report } from "../../../toolkit/maintain/report.ts";
import { metricData, putMetrics } from "../../../toolkit/metrics/cloudwatch.ts";
import { dimensionsOf } from "../../../toolkit/metrics/place.ts";
import { metrics } from "../../../toolkit/metrics/table.ts";
import type { Snapshot } from "../../../toolkit/monitor/snapshot.ts";
import { Sampler } from "../../../toolkit/status/sampler.ts";
import { findMoto, startMoto } from "../backup/moto.ts";
import { type Ill, makeIll } from "../status/illness.ts";

let ill: Ill;
let taken: Snapshot;
const moto = findMoto();
const onMoto = moto ? test : test.skip;
let started: Promise<string> | undefined;

/** CloudWatch, as moto's server plays it. */
async function somewhere() {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: "moto", AWS_SECRET_ACCESS_KEY: "moto" });
  started ??= startMoto(moto!, { host: "127.0.0.1", port: 5432 });
  return { region: "eu-central-1", endpoint: await started };
}

beforeAll(async () => {
  ill = await makeIll();
  const sampler = new Sampler(ill.connection, {}, "test");
  taken = await sampler.sample().finally(() => sampler.close());
});
afterAll(() => ill.cure());

test("CloudWatch gets one value of each chosen metric, the worst, in two dimensions", () => {
  const data = metricData(taken, "db.example.com");
  // The shared server has no replica and no slot.
  const absent = ["ReplicationLag", "ReplicationLagBytes", "WalKeptBySlots"];
  const chosen = metrics.flatMap(({ cloudWatch }) => (cloudWatch ? [cloudWatch.name] : []));
  expect(data.map(({ MetricName }) => MetricName)).toEqual(chosen.filter((name) => !absent.includes(name)));
  expect(data.find(({ MetricName }) => MetricName === "SequenceUsed")).toEqual({
    MetricName: "SequenceUsed",
    Unit: "Percent",
    Value: expect.closeTo(97.66, 1),
    Timestamp: new Date(taken.takenAt),
    Dimensions: [
      { Name: "Server", Value: "db.example.com" },
      { Name: "Database", Value: ill.connection.database },
    ],
  });
  const health = taken.answers["table-health"]!.rows as { score: number }[];
  expect(data.find(({ MetricName }) => MetricName === "TableHealth")!.Value).toBe(
    Math.min(...health.map(({ score }) => score)),
  );
});

onMoto("they are in CloudWatch afterwards, as moto's server plays it", async () => {
  const where = await somewhere();
  const sent = await putMetrics(taken, "db.example.com", { namespace: "Investment/PostgreSQL", ...where });
  const client = new CloudWatchClient(where);
  try {
    const { Metrics } = await client.send(new ListMetricsCommand({ Namespace: "Investment/PostgreSQL" }));
    expect(Metrics!.length).toBe(sent);
    const [first] = metricData(taken, "db.example.com");
    const { Datapoints } = await client.send(
      new GetMetricStatisticsCommand({
        ...{ Namespace: "Investment/PostgreSQL", MetricName: first!.MetricName, Dimensions: first!.Dimensions },
        StartTime: new Date(Date.parse(taken.takenAt) - 60_000),
        EndTime: new Date(Date.parse(taken.takenAt) + 60_000),
        ...{ Period: 60, Statistics: ["Maximum"] },
      }),
    );
    expect(Datapoints).toMatchObject([{ Maximum: first!.Value }]);
  } finally {
    client.destroy();
  }
});

onMoto("a run of maintenance tells CloudWatch how many steps failed, and that it broke off", async () => {
  const where = await somewhere();
  const connection = { host: "db.example.com", port: 5432, database: "shop", user: "u", password: "p" };
  const place = { namespace: "Upkeep", ...where };
  const steps = (["done", "failed", "yielded", "failed"] as const).map((result) => ({ result }));
  const report = { steps } as Report;
  expect(
    await toldCloudWatch(
      connection,
      place,
      () => {},
      async () => report,
    ),
  ).toBe(report);
  const broken = toldCloudWatch(
    connection,
    place,
    () => {},
    () => Promise.reject(new Error("lost")),
  );
  await expect(broken).rejects.toThrow("lost");
  const client = new CloudWatchClient(where);
  try {
    const asked = { Namespace: "Upkeep", MetricName: "MaintenanceFailedSteps", Period: 3600 };
    const { Datapoints } = await client.send(
      new GetMetricStatisticsCommand({
        ...{ ...asked, Statistics: ["SampleCount", "Sum"], Dimensions: dimensionsOf("db.example.com", "shop") },
        ...{ StartTime: new Date(Date.now() - 7_200_000), EndTime: new Date(Date.now() + 7_200_000) },
      }),
    );
    const sumOf = (statistic: "SampleCount" | "Sum") => Datapoints!.reduce((sum, point) => sum + point[statistic]!, 0);
    expect([sumOf("SampleCount"), sumOf("Sum")]).toEqual([2, 3]);
  } finally {
    client.destroy();
  }
});

test("maintenance that cannot tell CloudWatch says so, and is no failure for it", async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: "moto", AWS_SECRET_ACCESS_KEY: "moto", AWS_MAX_ATTEMPTS: "1" });
  const place = { namespace: "x", region: "eu-central-1", endpoint: "http://127.0.0.1:1" };
  const said: string[] = [];
  const report = { steps: [] as Report["steps"] } as Report;
  expect(
    await toldCloudWatch(
      ill.connection,
      place,
      (line) => said.push(line),
      async () => report,
    ),
  ).toBe(report);
  expect(said).toEqual([expect.stringMatching(/^CloudWatch in eu-central-1 does not take the metrics/)]);
});

test("a refusal is told with the region and what it takes", async () => {
  const place = { namespace: "x", region: "eu-central-1", endpoint: "http://127.0.0.1:1" };
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: "moto", AWS_SECRET_ACCESS_KEY: "moto", AWS_MAX_ATTEMPTS: "1" });
  await expect(putMetrics(taken, "s", place)).rejects.toThrow(`CloudWatch in eu-central-1 does not take the metrics
  why: connect ECONNREFUSED 127.0.0.1:1.
  fix: Check the region and the credentials: they need cloudwatch:PutMetricData.`);
});
