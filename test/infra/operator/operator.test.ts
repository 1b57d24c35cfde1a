import { existsSync, readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { estimateCost } from "../../../infra/cost.ts";
import { operatorAlarms } from "../../../infra/operator/alarmTable.ts";
import type { Resource } from "../../../infra/policy/rule.ts";
import { findViolations } from "../../../infra/policy/rules.ts";
import { needsDatabase as maintainArguments } from "../../../toolkit/maintain/command.ts";
import { needsDatabase as metricsArguments } from "../../../toolkit/metrics/command.ts";
import { metrics } from "../../../toolkit/metrics/table.ts";
import { account, type Registered, register, resolved } from "../mocks.ts";

const small = {
  "aws:region": "eu-central-1",
  "database:server": "rds",
  "database:encryptionKey": "own",
  "database:operatorImage": "1.4.0",
};
const arn = (name: string) => `arn:aws:mock:eu-central-1:${account}:${name}`;
type Stack = Awaited<ReturnType<typeof register>>;

const ofOperator = ({ name, type }: Registered) => name.startsWith("operator") && type.startsWith("aws:");

const statementsOf = (stack: Stack, name: string) =>
  JSON.parse(stack.inputsOf("RolePolicy", name).policy).Statement.map(
    ({ Action, Resource, Condition }: Record<string, unknown>) => [Action, Resource, ...(Condition ? [Condition] : [])],
  );

const containersOf = (stack: Stack, name: string) =>
  JSON.parse(stack.inputsOf("TaskDefinition", name).containerDefinitions) as {
    name: string;
    command: string[];
    environment: { name: string; value: string }[];
    secrets: { name: string; valueFrom: string }[];
    [key: string]: unknown;
  }[];

/** The operator's own of a type, by name: their inputs become known in any order. */
const ownOf = ({ all }: Stack, type: string) =>
  all(type)
    .filter(ofOperator)
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));

const rulesOf = (stack: Stack, type: string) =>
  ownOf(stack, type).map(({ inputs }) => [
    inputs.securityGroupId,
    inputs.referencedSecurityGroupId ?? inputs.prefixListId ?? inputs.cidrIpv4,
    inputs.fromPort,
    inputs.toPort,
  ]);

describe("in a VPC of its own, with roles", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await register(small);
  });

  test("maintenance runs as the migrator, metrics as the monitor, with passwords from a secret alone", () => {
    const [maintain] = containersOf(stack, "operator-maintenance");
    expect(maintain).toMatchObject({
      image: "repository.example.com/operator:1.4.0",
      command: [
        ...["maintain", "--budget", "1h", "--without-archive"],
        ...["--cloudwatch", "database-test/PostgreSQL", "--region", "eu-central-1"],
      ],
      secrets: [{ name: "PGPASSWORD", valueFrom: "operator-id:migrator::" }],
      readonlyRootFilesystem: true,
      mountPoints: [{ sourceVolume: "db_reports", containerPath: "/srv/operator/db_reports" }],
      linuxParameters: { initProcessEnabled: true, capabilities: { drop: ["ALL"] } },
      logConfiguration: { options: { "awslogs-group": "/ecs/database-test-operator" } },
    });
    expect(Object.fromEntries(maintain!.environment.map(({ name, value }) => [name, value]))).toEqual({
      PGHOST: "db.example.com",
      PGPORT: "5432",
      PGDATABASE: "investment",
      PGUSER: "investment_migrator",
      PGSSLMODE: "verify-full",
      TOOLKIT_CONTEXT:
        '{"backup":{"kind":"rds","instanceIdentifier":"database-test","region":"eu-central-1"},"keptBackups":{"count":5,"days":14},"thresholds":{}}',
    });
    const watching = containersOf(stack, "operator-metrics");
    expect(
      watching.map(({ name, essential, dependsOn, secrets }) => [name, essential, dependsOn, secrets[0]!.valueFrom]),
    ).toEqual([
      ["metrics", false, undefined, "operator-id:monitor::"],
      ["record", true, [{ containerName: "metrics", condition: "COMPLETE" }], "operator-id:migrator::"],
    ]);
    expect(stack.inputsOf("SecretVersion", "operator-1").secretStringWo).toMatchObject({
      value: '{"migrator":"geheim","monitor":"geheim"}',
    });
    for (const { inputs } of ownOf(stack, "TaskDefinition")) expect(JSON.stringify(inputs)).not.toContain("geheim");
  });

  test("what the containers are told to do is what the toolkit takes", async () => {
    const parsers: Record<string, (argv: string[]) => Promise<boolean>> = {
      maintain: maintainArguments,
      metrics: metricsArguments,
      record: async (argv) => expect(argv).toEqual(["--once"]) === undefined,
    };
    const commands = ["operator-maintenance", "operator-metrics"].flatMap((name) => containersOf(stack, name));
    expect(commands.map(({ command }) => command[0])).toEqual(["maintain", "metrics", "record"]);
    for (const { command } of commands) await expect(parsers[command[0]!]!(command.slice(1))).resolves.toBe(true);
  });

  test("each role may do what its work takes, and no more", () => {
    expect(statementsOf(stack, "operator-execution")).toEqual([
      ["ecr:GetAuthorizationToken", "*"],
      [["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], arn("operator")],
      [["logs:CreateLogStream", "logs:PutLogEvents"], `${arn("operator")}:*`],
      ["secretsmanager:GetSecretValue", arn("operator")],
      [
        "kms:Decrypt",
        arn("server-data"),
        { StringEquals: { "kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com" } },
      ],
    ]);
    const send = [
      "cloudwatch:PutMetricData",
      "*",
      { StringEquals: { "cloudwatch:namespace": "database-test/PostgreSQL" } },
    ];
    expect(statementsOf(stack, "operator-metrics")).toEqual([send]);
    expect(statementsOf(stack, "operator-maintenance")).toEqual([
      send,
      ["rds:DescribeDBSnapshots", "*"],
      ["rds:DeleteDBSnapshot", `arn:aws:rds:eu-central-1:${account}:snapshot:database-test-backup-*`],
    ]);
    expect(statementsOf(stack, "operator-scheduler")).toEqual([
      [
        "ecs:RunTask",
        [`${arn("operator-maintenance")}:*`, `${arn("operator-metrics")}:*`],
        { ArnEquals: { "ecs:cluster": arn("operator") } },
      ],
      [
        "iam:PassRole",
        [arn("operator-execution"), arn("operator-maintenance"), arn("operator-metrics")],
        { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } },
      ],
      ["sqs:SendMessage", [arn("operator-not-started")]],
    ]);
    const trust = JSON.parse(stack.inputsOf("Role", "operator-metrics").assumeRolePolicy).Statement;
    expect(trust).toEqual([
      {
        Effect: "Allow",
        Principal: { Service: "ecs-tasks.amazonaws.com" },
        Action: "sts:AssumeRole",
        Condition: { StringEquals: { "aws:SourceAccount": account } },
      },
    ]);
  });

  test("the tasks reach the database and the endpoints of AWS, nothing else, and nothing reaches them", () => {
    expect(rulesOf(stack, "SecurityGroupEgressRule")).toEqual([
      ["operator-id", "server-id", 5432, 5432],
      ["operator-id", "operator-endpoints-id", 443, 443],
      ["operator-id", "pl-s3", 443, 443],
    ]);
    expect(rulesOf(stack, "SecurityGroupIngressRule")).toEqual([
      ["server-id", "operator-id", 5432, 5432],
      ["operator-endpoints-id", "operator-id", 443, 443],
    ]);
    const endpoints = ownOf(stack, "VpcEndpoint").map(({ inputs }) => inputs);
    expect(endpoints.map(({ serviceName, vpcEndpointType }) => `${serviceName} ${vpcEndpointType}`)).toEqual([
      "com.amazonaws.eu-central-1.ecr.api Interface",
      "com.amazonaws.eu-central-1.ecr.dkr Interface",
      "com.amazonaws.eu-central-1.logs Interface",
      "com.amazonaws.eu-central-1.monitoring Interface",
      "com.amazonaws.eu-central-1.rds Interface",
      "com.amazonaws.eu-central-1.s3 Gateway",
      "com.amazonaws.eu-central-1.secretsmanager Interface",
    ]);
    expect(endpoints[0]).toMatchObject({ subnetIds: ["server-a-id"], privateDnsEnabled: true });
    expect(stack.types.filter((type) => /Gateway|Eip/.test(type))).toEqual([]);
  });

  test("the clock starts maintenance daily and metrics every five minutes; what cannot be started is kept", () => {
    const shown = ownOf(stack, "Schedule").map(({ inputs: { target, ...inputs } }) => ({
      ...inputs,
      ...{ retry: target.retryPolicy, deadLetter: target.deadLetterConfig?.arn },
      ...target.ecsParameters.networkConfiguration,
    }));
    const network = { subnets: ["server-a-id"], securityGroups: ["operator-id"], assignPublicIp: false };
    expect(shown).toMatchObject([
      {
        ...{ name: "database-test-maintenance", scheduleExpression: "cron(17 5 * * ? *)" },
        ...{ scheduleExpressionTimezone: "UTC", flexibleTimeWindow: { mode: "OFF" }, ...network },
        ...{ retry: { maximumEventAgeInSeconds: 3600, maximumRetryAttempts: 20 } },
        deadLetter: arn("operator-not-started"),
      },
      { name: "database-test-metrics", scheduleExpression: "rate(5 minutes)", deadLetter: undefined, ...network },
    ]);
  });

  test("its alarms tell of runs that failed, that did not come, and that could not be started", () => {
    const alarms = ownOf(stack, "MetricAlarm");
    expect(
      alarms.map(({ name, inputs }) => {
        const { namespace, statistic, metricName, comparisonOperator, threshold, evaluationPeriods, period } = inputs;
        const sign = comparisonOperator === "LessThanThreshold" ? "<" : ">";
        return `${name}: ${statistic} ${namespace} ${metricName} ${sign} ${threshold} for ${evaluationPeriods} x ${period} s, ${inputs.treatMissingData}`;
      }),
    ).toEqual([
      "operator-maintenance-failed: Maximum database-test/PostgreSQL MaintenanceFailedSteps > 0 for 1 x 3600 s, notBreaching",
      "operator-maintenance-missing: SampleCount database-test/PostgreSQL MaintenanceFailedSteps < 1 for 27 x 3600 s, breaching",
      "operator-maintenance-not-started: Maximum AWS/SQS ApproximateNumberOfMessagesVisible > 0 for 1 x 300 s, notBreaching",
      "operator-metrics-missing: SampleCount database-test/PostgreSQL ConnectionsUsed < 1 for 4 x 300 s, breaching",
    ]);
    for (const { inputs } of alarms) {
      expect(inputs.alarmActions).toEqual([arn("server-warning")]);
      expect(inputs.alarmDescription).toMatch(/\. Runbook: runbooks\/maintenance-not-run\.md$/);
    }
    expect(stack.inputsOf("MetricAlarm", "operator-metrics-missing").dimensions).toEqual({
      Server: "db.example.com",
      Database: "investment",
    });
  });

  test("tags of its repository never move, images are scanned, and the newest ten stay", async () => {
    expect(stack.inputsOf("Repository")).toMatchObject({
      name: "database-test-operator",
      imageTagMutability: "IMMUTABLE",
      imageScanningConfiguration: { scanOnPush: true },
    });
    expect(JSON.parse(stack.inputsOf("LifecyclePolicy").policy).rules[0].selection.countNumber).toBe(10);
    expect(await resolved(stack.outputs.operatorRepository)).toBe("repository.example.com/operator");
    expect(stack.outputs.keptBackups).toEqual({ count: 5, days: 14 });
  });

  test("it breaks no rule of the house, and its costs are told", () => {
    const urn = (type: string, name: string) => `urn:pulumi:test::database::${type}::${name}`;
    const resources = stack.registered.map(({ type, name, inputs, dependencies }): Resource => {
      const sources = dependencies.map((dependency) => `urn:pulumi:test::database::${dependency}`);
      return { type, name, urn: urn(type, name), props: inputs, propertyDependencies: { target: sources } };
    });
    expect(findViolations(resources.filter(({ name }) => name.startsWith("operator")))).toEqual([]);
    const lines = estimateCost(resources, "eu-central-1").lines.map(({ what, how, monthly }) => [
      what,
      how,
      monthly?.toFixed(2),
    ]);
    expect(lines).toEqual(
      expect.arrayContaining([
        [
          "runs of operator-metrics",
          "8760 on Fargate, 0.25 vCPU and 0.5 GiB, $0.0142 an hour, if each takes 1 min",
          "2.07",
        ],
        [
          "runs of operator-maintenance",
          "30 on Fargate, 0.25 vCPU and 0.5 GiB, $0.0142 an hour, if each takes 15 min",
          "0.11",
        ],
        ["endpoints of AWS in the VPC", "6 × $0.012 an hour × 730", "52.56"],
        ["own metrics", `${1 + metrics.filter(({ cloudWatch }) => cloudWatch).length} × $0.30`, "4.80"],
        ["images of operator", "10 of 0.15 GiB at most × $0.10", "0.15"],
      ]),
    );
  });
});

test("in a VPC that was there, its own ways to AWS serve, and an image may come from elsewhere", async () => {
  const image = `${account}.dkr.ecr.eu-west-1.amazonaws.com/tools/operator@sha256:${"0".repeat(64)}`;
  const stack = await register({
    ...small,
    "database:encryptionKey": "account",
    "database:subnetIds": '["subnet-1a","subnet-2b"]',
    "database:securityGroupIds": '["sg-1a"]',
    "database:operatorImage": image,
  });
  expect([stack.all("VpcEndpoint"), stack.all("Repository")]).toEqual([[], []]);
  expect(stack.outputs).not.toHaveProperty("operatorRepository");
  expect(containersOf(stack, "operator-maintenance")[0]!.image).toBe(image);
  expect(stack.inputsOf("Schedule", "operator-metrics").target.ecsParameters.networkConfiguration.subnets).toEqual([
    "subnet-1a",
    "subnet-2b",
  ]);
  expect(rulesOf(stack, "SecurityGroupEgressRule")).toEqual([
    ["operator-id", "0.0.0.0/0", 443, 443],
    ["operator-id", "server-id", 5432, 5432],
  ]);
  const statements = statementsOf(stack, "operator-execution");
  expect(statements[1][1]).toBe(`arn:aws:ecr:eu-west-1:${account}:repository/tools/operator`);
  expect(JSON.stringify(statements)).not.toContain("kms:");
});

test("without roles the master user's secret is the only one, and no other is made", async () => {
  const stack = await register({ ...small, "database:roles": "none" });
  const [maintain] = containersOf(stack, "operator-maintenance");
  expect(maintain!.secrets).toEqual([{ name: "PGPASSWORD", valueFrom: "arn:aws:secret:password::" }]);
  expect(maintain!.environment).toContainEqual({ name: "PGUSER", value: "postgres" });
  expect(ownOf(stack, "Secret")).toEqual([]);
});

test("without operatorImage nothing of it is made", async () => {
  const { registered } = await register({ ...small, "database:operatorImage": "" });
  expect(registered.filter(ofOperator)).toEqual([]);
});

test("each alarm has a reason, a page, a runbook, and looks back no further than CloudWatch does", () => {
  for (const { why, source, runbook, period, periods } of operatorAlarms) {
    expect(why.length).toBeGreaterThan(20);
    expect(source).toMatch(/^https:\/\/docs\.aws\.amazon\.com\//);
    expect(existsSync(`runbooks/${runbook}.md`)).toBe(true);
    for (const maintenanceSchedule of ["rate(1 hour)", "rate(6 days)"])
      for (const metricsInterval of [1, 60]) {
        const rhythm = { maintenanceSchedule, metricsInterval };
        const seconds = period(rhythm) * periods(rhythm);
        expect(seconds).toBeLessThanOrEqual((period(rhythm) < 3600 ? 1 : 7) * 86_400);
      }
  }
});

test("the image holds what is copied and no more, and runs as nobody of importance", () => {
  const dockerfile = readFileSync("infra/operator/Dockerfile", "utf8");
  expect(Array.from(dockerfile.matchAll(/^FROM (\S+)/gm), ([, base]) => base)).toEqual([
    "node:24-slim",
    "node:24-slim",
  ]);
  expect(dockerfile).toMatch(/\nUSER node\nENTRYPOINT \["node", "toolkit\/cli\.ts"\]\n/);
  const ignored = readFileSync("infra/operator/Dockerfile.dockerignore", "utf8").split("\n");
  const sent = ignored.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
  const copied = Array.from(dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm), ([, paths]) =>
    paths!.split(" "),
  ).flat();
  expect(new Set(copied)).toEqual(new Set(sent));
  // A package that is gone would stop the build.
  const lock = parse(readFileSync("package-lock.json", "utf8")) as { packages: Record<string, { dev?: boolean }> };
  const shipped = Object.entries(lock.packages).flatMap(([path, { dev }]) => (dev ? [] : path.split("/")[1]));
  const [, list] = /&& rm -r (.+) \\/.exec(dockerfile)!;
  const removed = list!.split(" ").filter((name) => name !== ".bin");
  const scoped = Object.keys(lock.packages).map((path) => path.split("/")[1]);
  expect(removed.filter((name) => !shipped.includes(name) && !scoped.includes(name))).toEqual([]);
});
