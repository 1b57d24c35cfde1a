import { existsSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { loadConfig } from "../../infra/config.ts";
import { alarmsFor, alarmTable, capacityOf } from "../../infra/server/rds/alarmTable.ts";
import { defaultMaxConnections, instanceClasses } from "../../toolkit/rds/classes.ts";
import { register } from "./mocks.ts";

const values = { "aws:region": "eu-central-1", "database:server": "rds" };

/** One alarm, as a person would say it. */
const lines = (instanceClass: string, config: Record<string, string> = {}, replica = false) =>
  alarmsFor(capacityOf(instanceClass, loadConfig({ ...values, ...config }), replica)).map(
    ({ name, metric, statistic, period, periods, comparison, threshold, unit, severity, runbook }) =>
      `${name}: ${statistic} ${metric} ${comparison} ${threshold} ${unit} for ${periods} x ${period} s, ${severity}, ${runbook}`,
  );

test("the thresholds of a db.r7g.large with 400 GiB", () => {
  expect(lines("db.r7g.large", { "database:allocatedStorage": "400" })).toEqual([
    "cpu-high: Average CPUUtilization > 90 % for 3 x 300 s, symptom, emergency",
    "load-high: Average DBLoad > 2 sessions for 10 x 60 s, symptom, lock-pile-up",
    "disk-queue-long: Average DiskQueueDepth > 120 requests for 3 x 300 s, symptom, emergency",
    "read-latency-high: Average ReadLatency > 0.02 s for 3 x 300 s, symptom, emergency",
    "write-latency-high: Average WriteLatency > 0.02 s for 3 x 300 s, symptom, emergency",
    "connections-high: Maximum DatabaseConnections > 1441 sessions for 5 x 60 s, warning, pool-exhausted",
    "connections-exhausted: Maximum DatabaseConnections > 1711 sessions for 3 x 60 s, critical, pool-exhausted",
    "memory-low: Average FreeableMemory < 1717986918 bytes for 3 x 300 s, warning, pool-exhausted",
    "swap-used: Average SwapUsage > 343597383 bytes for 3 x 300 s, warning, pool-exhausted",
    "storage-low: Minimum FreeStorageSpace < 42949672960 bytes for 1 x 300 s, warning, disk-nearly-full",
    "storage-critical: Minimum FreeStorageSpace < 21474836480 bytes for 3 x 60 s, critical, rds-storage-full",
    "ebs-throughput-credits-low: Minimum EBSByteBalance% < 20 % for 3 x 300 s, warning, emergency",
    "ebs-io-credits-low: Minimum EBSIOBalance% < 20 % for 3 x 300 s, warning, emergency",
    "transaction-ids-old: Maximum MaximumUsedTransactionIDs > 1000000000 transactions for 1 x 300 s, warning, wraparound-near",
    "transaction-ids-critical: Maximum MaximumUsedTransactionIDs > 1500000000 transactions for 1 x 300 s, critical, wraparound-near",
    "replication-slot-behind: Maximum OldestReplicationSlotLag > 21474836480 bytes for 3 x 300 s, warning, replica-lagging",
  ]);
});

test("a burstable class is watched for its credits, a replica for its lag and not for what the primary owns", () => {
  const namesOf = (...args: Parameters<typeof lines>) => lines(...args).map((line) => line.split(":")[0]!);
  const usual = namesOf("db.r7g.large");
  expect(lines("db.t4g.medium").filter((line) => !usual.includes(line.split(":")[0]!))).toEqual([
    "cpu-credits-low: Minimum CPUCreditBalance < 24 credits for 3 x 300 s, warning, emergency",
  ]);
  const ofReplica = namesOf("db.r7g.large", {}, true);
  expect(ofReplica.filter((name) => !usual.includes(name))).toEqual(["replica-lagging", "replica-lost"]);
  expect(usual.filter((name) => !ofReplica.includes(name))).toEqual([
    "transaction-ids-old",
    "transaction-ids-critical",
    "replication-slot-behind",
  ]);
});

test("a small volume is slower, and a configured max_connections counts", () => {
  const found = lines("db.r7g.large", { "database:parameters": '{"max_connections":200}' });
  expect(found.filter((line) => /^(disk-queue|connections-high)/.test(line))).toEqual([
    "disk-queue-long: Average DiskQueueDepth > 30 requests for 3 x 300 s, symptom, emergency",
    "connections-high: Maximum DatabaseConnections > 160 sessions for 5 x 60 s, warning, pool-exhausted",
  ]);
});

test("each alarm stands once, with a reason, a page, and a runbook that exists", () => {
  const names = alarmTable.map(({ name }) => name);
  expect(names).toEqual([...new Set(names)]);
  for (const { why, source, runbook } of alarmTable) {
    expect(why.length).toBeGreaterThan(20);
    expect(source).toMatch(/^https:\/\/(docs\.aws\.amazon\.com|aws\.amazon\.com|www\.postgresql\.org)\//);
    expect([runbook, existsSync(`runbooks/${runbook}.md`)]).toEqual([runbook, true]);
  }
});

test("the classes are as large as their pages say", () => {
  const size = (name: string) => {
    const { vcpus, memory } = instanceClasses[name]!;
    return [vcpus, memory / 1024 ** 3, defaultMaxConnections(instanceClasses[name]!)];
  };
  expect(size("db.t4g.micro")).toEqual([2, 1, 112]);
  expect(size("db.m7g.4xlarge")).toEqual([16, 64, 5000]);
  expect(size("db.r7g.large")).toEqual([2, 16, 1802]);
  expect(size("db.x2g.16xlarge")).toEqual([64, 1024, 5000]);
  expect(instanceClasses["db.m7g.24xlarge"]).toBeUndefined();
});

test("symptoms tell nobody by themselves: one message is made of many", async () => {
  const { all, inputsOf } = await register(values);
  const silent = all("MetricAlarm").filter(({ inputs }) => !inputs.alarmActions);
  const names = ["cpu-high", "load-high", "disk-queue-long", "read-latency-high", "write-latency-high"];
  expect(silent.map(({ name }) => name)).toEqual(names.map((name) => `server-${name}`));
  expect(inputsOf("CompositeAlarm", "server-overloaded")).toMatchObject({
    alarmName: "database-test-server-overloaded",
    alarmRule:
      'ALARM("server-load-high") AND (ALARM("server-cpu-high") OR ALARM("server-disk-queue-long") OR ALARM("server-read-latency-high") OR ALARM("server-write-latency-high"))',
    alarmActions: [expect.stringMatching(/:server-critical$/)],
  });
  expect(inputsOf("CompositeAlarm", "server-strained")).toMatchObject({
    actionsSuppressor: { alarm: expect.stringMatching(/:server-overloaded$/) },
    alarmActions: [expect.stringMatching(/:server-warning$/)],
  });
  expect(inputsOf("MetricAlarm", "server-storage-critical")).toMatchObject({
    namespace: "AWS/RDS",
    dimensions: { DBInstanceIdentifier: "database-test" },
    alarmDescription:
      "a database without storage stops (storage-full) and cannot be written to. Runbook: runbooks/rds-storage-full.md",
    alarmActions: [expect.stringMatching(/:server-critical$/)],
    okActions: [expect.stringMatching(/:server-critical$/)],
  });
});

test("the dashboard shows a graph for each metric that has an alarm, with its thresholds", async () => {
  const { inputsOf } = await register(values);
  const { dashboardName, dashboardBody } = inputsOf("Dashboard");
  expect(dashboardName).toBe("database-test");
  const { widgets } = JSON.parse(dashboardBody) as { widgets: { properties: Record<string, unknown> }[] };
  expect(widgets).toHaveLength(13);
  const storage = widgets.find(({ properties }) => String(properties.title).startsWith("FreeStorageSpace"));
  expect(storage!.properties).toMatchObject({
    region: "eu-central-1",
    metrics: [["AWS/RDS", "FreeStorageSpace", "DBInstanceIdentifier", "database-test", { label: "database-test" }]],
    annotations: {
      horizontal: [
        { label: "storage-low", value: 10 * 1024 ** 3 },
        { label: "storage-critical", value: 5 * 1024 ** 3 },
      ],
    },
  });
});
