import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import type * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { account, type Registered, register, resolved } from "./mocks.ts";

const smallest = {
  "aws:region": "eu-central-1",
  "database:server": "rds",
  "database:instanceClass": "db.t4g.micro",
  "database:allocatedStorage": "20",
  "database:multiAz": "false",
  "database:monitoringInterval": "0",
  "database:dailyBackups": "0",
  "database:weeklyBackups": "0",
  "database:monthlyBackups": "0",
};

const onAws = ({ type }: Registered) => type.startsWith("aws:");

/** Pulumi.prod.yaml as Pulumi hands it to the program. */
function production(): Record<string, string> {
  const { config } = parse(readFileSync("Pulumi.prod.yaml", "utf8")) as { config: Record<string, unknown> };
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  );
}

const replicas = [
  { name: "reports", zone: "eu-central-1b", weight: 3 },
  { name: "far", region: "us-east-1", class: "db.r7g.xlarge", promotionTier: 2 },
];
const inTwoRegions = {
  "aws:region": "eu-central-1",
  "database:server": "rds",
  "database:masterPassword": "own",
  "database:encryptionKey": "own",
  "database:replicas": JSON.stringify(replicas),
};

test("the smallest stack is as private, encrypted and hard to delete as any", async () => {
  const { inputsOf, all, registered, outputs } = await register(smallest);
  expect(inputsOf("Instance")).toMatchObject({
    identifier: "database-test",
    engine: "postgres",
    engineVersion: "17",
    instanceClass: "db.t4g.micro",
    publiclyAccessible: false,
    storageType: "gp3",
    storageEncrypted: true,
    maxAllocatedStorage: 1000,
    deletionProtection: true,
    skipFinalSnapshot: false,
    finalSnapshotIdentifier: "database-test-final",
    backupRetentionPeriod: 14,
    deleteAutomatedBackups: false,
    manageMasterUserPassword: true,
    iamDatabaseAuthenticationEnabled: true,
    caCertIdentifier: "rds-ca-rsa2048-g1",
    enabledCloudwatchLogsExports: ["postgresql", "upgrade"],
    databaseInsightsMode: "standard",
    performanceInsightsRetentionPeriod: 7,
  });
  expect(await resolved(outputs.masterSecretArn)).toBe("arn:aws:secret");
  for (const absent of ["iops", "storageThroughput", "kmsKeyId", "monitoringRoleArn", "blueGreenUpdate", "passwordWo"])
    expect(inputsOf("Instance")).not.toHaveProperty(absent);
  expect(all("Role")).toEqual([]);
  expect(all("Vault")).toEqual([]);
  expect(all("Secret")).toEqual([]);
  expect(registered.filter(onAws)).toHaveLength(40);
});

test("production has its own key, a standby, fifteen months of insights, and backups that are locked, copied and tried", async () => {
  const { inputsOf, all, registered } = await register(production());
  expect(inputsOf("Instance")).toMatchObject({
    instanceClass: "db.r7g.large",
    multiAz: true,
    kmsKeyId: `arn:aws:mock:eu-central-1:${account}:server-data`,
    backupRetentionPeriod: 35,
    backupWindow: "01:00-02:00",
    maintenanceWindow: "sun:03:00-sun:04:00",
    databaseInsightsMode: "advanced",
    performanceInsightsRetentionPeriod: 465,
    monitoringInterval: 60,
    monitoringRoleArn: `arn:aws:mock:eu-central-1:${account}:server-monitoring`,
  });
  expect(all("RolePolicyAttachment").map(({ inputs }) => [inputs.role, inputs.policyArn])).toEqual([
    ["server-monitoring", "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"],
    ["server-backup", "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"],
    ["server-backup", "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores"],
  ]);
  expect(all("Key").map(({ inputs }) => inputs.enableKeyRotation)).toEqual([true, true, true, true]);
  expect(inputsOf("Plan").rules).toEqual(
    [
      { ruleName: "daily", schedule: "cron(0 4 * * ? *)", deleteAfter: 35 },
      { ruleName: "weekly", schedule: "cron(0 4 ? * SUN *)", deleteAfter: 90 },
      { ruleName: "monthly", schedule: "cron(0 4 1 * ? *)", deleteAfter: 365 },
    ].map(({ deleteAfter, ...rule }) => ({
      ...rule,
      targetVaultName: "server-backups",
      startWindow: 60,
      completionWindow: 360,
      lifecycle: { deleteAfter },
      copyActions: [
        { destinationVaultArn: `arn:aws:mock:eu-west-1:${account}:server-backups-copy`, lifecycle: { deleteAfter } },
      ],
    })),
  );
  expect(all("VaultLockConfiguration").map(({ inputs }) => inputs)).toEqual([
    { backupVaultName: "server-backups", minRetentionDays: 35 },
    { backupVaultName: "server-backups-copy", minRetentionDays: 35, region: "eu-west-1" },
  ]);
  expect(JSON.parse(inputsOf("EventRule").eventPattern).detail).toEqual({
    resourceType: ["RDS"],
    $or: [{ state: ["FAILED", "ABORTED", "EXPIRED"] }, { status: ["FAILED", "ABORTED", "EXPIRED"] }],
  });
  expect(inputsOf("EventTarget")).toEqual({
    rule: "server-backups-failed",
    arn: `arn:aws:mock:eu-central-1:${account}:server-warning`,
  });
  expect(inputsOf("RestoreTestingSelection")).toMatchObject({
    protectedResourceType: "RDS",
    restoreMetadataOverrides: { dbSubnetGroupName: "server", multiAz: "false", publiclyAccessible: "false" },
  });
  expect(registered.filter(onAws)).toHaveLength(58);
});

test("its own VPC has a subnet in each zone, no way out, and a security group to give to clients", async () => {
  const { inputsOf, all, types, outputs } = await register({ ...smallest, "database:zones": '["a","b","c"]' });
  expect(inputsOf("Vpc")).toMatchObject({ cidrBlock: "10.87.0.0/24" });
  expect(all("Subnet").map(({ inputs }) => [inputs.availabilityZone, inputs.cidrBlock])).toEqual([
    ["eu-central-1a", "10.87.0.0/26"],
    ["eu-central-1b", "10.87.0.64/26"],
    ["eu-central-1c", "10.87.0.128/26"],
  ]);
  expect(types.filter((type) => /Gateway|Route|Eip/.test(type))).toEqual([]);
  expect(inputsOf("SecurityGroupIngressRule")).toMatchObject({
    securityGroupId: "server-id",
    referencedSecurityGroupId: "server-clients-id",
    ipProtocol: "tcp",
    fromPort: 5432,
    toPort: 5432,
  });
  expect(await resolved(outputs.clientSecurityGroupId)).toBe("server-clients-id");
});

test("an existing VPC is used by its subnets, and entered from the named groups only", async () => {
  const { inputsOf, all, outputs } = await register({
    ...smallest,
    "database:subnetIds": '["subnet-1a","subnet-2b"]',
    "database:securityGroupIds": '["sg-1a","sg-2b"]',
  });
  expect(inputsOf("SubnetGroup").subnetIds).toEqual(["subnet-1a", "subnet-2b"]);
  expect(inputsOf("SecurityGroup").vpcId).toBe("vpc-of-subnets");
  expect(all("Vpc")).toEqual([]);
  expect(all("SecurityGroupIngressRule").map(({ inputs }) => inputs.referencedSecurityGroupId)).toEqual([
    "sg-1a",
    "sg-2b",
  ]);
  for (const { inputs } of all("SecurityGroupIngressRule")) expect(inputs).not.toHaveProperty("cidrIpv4");
  expect(outputs).not.toHaveProperty("clientSecurityGroupId");
});

test("replicas in two regions: each with its parameter group, key and alarms where it is, and what a router needs", async () => {
  const { inputsOf, all, outputs } = await register(inTwoRegions);
  const source = `arn:aws:mock:eu-central-1:${account}:server`;
  expect(inputsOf("Instance", "server-reports")).toMatchObject({
    identifier: "database-test-reports",
    replicateSourceDb: source,
    instanceClass: "db.r7g.large",
    availabilityZone: "eu-central-1b",
    dbSubnetGroupName: "server",
    skipFinalSnapshot: true,
  });
  for (const absent of ["region", "kmsKeyId"])
    expect(inputsOf("Instance", "server-reports")).not.toHaveProperty(absent);
  expect(inputsOf("Instance", "server")).toMatchObject({
    kmsKeyId: `arn:aws:mock:eu-central-1:${account}:server-data`,
  });
  expect(inputsOf("Instance", "server-far")).toMatchObject({
    replicateSourceDb: source,
    instanceClass: "db.r7g.xlarge",
    region: "us-east-1",
    kmsKeyId: `arn:aws:mock:us-east-1:${account}:server-us-east-1-data`,
    dbSubnetGroupName: "server-us-east-1",
    parameterGroupName: "server-far-17",
  });
  for (const name of ["server-reports", "server-far"])
    for (const absent of ["username", "dbName", "passwordWo", "engine", "backupWindow"])
      expect(inputsOf("Instance", name)).not.toHaveProperty(absent);
  const parametersOf = (name: string) =>
    Object.fromEntries(
      inputsOf("ParameterGroup", name).parameters.map(({ name: key, value }: Record<string, string>) => [key, value]),
    );
  expect(parametersOf("server-far-17")).toEqual({ ...parametersOf("server-17"), hot_standby_feedback: "1" });
  expect(inputsOf("Vpc", "server-us-east-1").cidrBlock).toBe("10.87.1.0/24");
  expect(inputsOf("MetricAlarm", "server-far-replica-lagging")).toMatchObject({
    region: "us-east-1",
    alarmActions: [`arn:aws:mock:us-east-1:${account}:server-us-east-1-warning`],
    dimensions: { DBInstanceIdentifier: "database-test-far" },
  });
  expect(all("EventSubscription").map(({ name, inputs }) => [name, inputs.sourceIds])).toEqual([
    ["server-critical", ["database-test", "database-test-reports"]],
    ["server-warning", ["database-test", "database-test-reports"]],
    ["server-us-east-1-critical", ["database-test-far"]],
    ["server-us-east-1-warning", ["database-test-far"]],
  ]);
  expect(await resolved(outputs.replicas)).toEqual([
    {
      name: "reports",
      identifier: "database-test-reports",
      endpoint: "db.example.com:5432",
      region: "eu-central-1",
      weight: 3,
      promotionTier: 1,
    },
    {
      name: "far",
      identifier: "database-test-far",
      endpoint: "db.example.com:5432",
      region: "us-east-1",
      weight: 1,
      promotionTier: 2,
    },
  ]);
});

test("a replica elsewhere takes the key and the network that are named for it", async () => {
  const kmsKeyArn = "arn:aws:kms:us-east-1:123456789012:key/1";
  const far = { name: "far", region: "us-east-1", kmsKeyArn, subnetIds: ["subnet-1a", "subnet-2b"] };
  const values = { ...smallest, "database:masterPassword": "own", "database:replicas": JSON.stringify([far]) };
  const { inputsOf, all } = await register(values);
  expect(inputsOf("Instance", "server-far")).toMatchObject({ kmsKeyId: kmsKeyArn, instanceClass: "db.t4g.micro" });
  expect(inputsOf("SubnetGroup", "server-us-east-1").subnetIds).toEqual(far.subnetIds);
  expect(all("Vpc").map(({ name }) => name)).toEqual(["server"]);
  expect(all("Key").map(({ name }) => name)).toEqual(["server-topics", "server-us-east-1-topics"]);
});

test("an own password is random, written once for each version, and read back from its secret", async () => {
  const seen: pulumi.CustomResourceOptions[] = [];
  const transforms = { secretVersion: (_: object, options: pulumi.CustomResourceOptions) => void seen.push(options) };
  const values = { ...smallest, "database:masterPassword": "own", "database:passwordVersion": "4" };
  const { inputsOf, outputs } = await register(values, transforms);
  const { secretStringWo, secretStringWoVersion } = inputsOf("SecretVersion", "server-4");
  expect(secretStringWoVersion).toBe(4);
  // The mocks show a secret wrapped as it goes over the wire.
  expect(secretStringWo).toMatchObject({ value: expect.stringMatching(/"password":"[\w-]{32}"/) });
  expect(seen[0]).toMatchObject({ ignoreChanges: ["secretStringWo"] });
  expect(inputsOf("Instance")).toMatchObject({ passwordWo: { value: "geheim" }, passwordWoVersion: 4 });
  expect(inputsOf("Instance")).not.toHaveProperty("manageMasterUserPassword");
  expect(await resolved(outputs.connectionString)).toBe(
    "postgres://investment_migrator:geheim@db.example.com:5432/investment?sslmode=verify-full",
  );
  expect(await resolved(outputs.masterSecretArn)).toBe(`arn:aws:mock:eu-central-1:${account}:server`);
});

test.each(["16", "18"])("PostgreSQL %s runs with a parameter group of its family", async (version) => {
  const { inputsOf } = await register({ ...smallest, "database:version": version });
  expect(inputsOf("ParameterGroup").family).toBe(`postgres${version}`);
  expect(inputsOf("Instance")).toMatchObject({ engineVersion: version, parameterGroupName: `server-${version}` });
});

test("a large gp3 volume takes what is asked of it, and an update may go by a copy", async () => {
  const { inputsOf } = await register({
    ...smallest,
    "database:allocatedStorage": "500",
    "database:iops": "16000",
    "database:storageThroughput": "1000",
    "database:masterPassword": "own",
    "database:blueGreen": "true",
  });
  expect(inputsOf("Instance")).toMatchObject({
    iops: 16_000,
    storageThroughput: 1000,
    blueGreenUpdate: { enabled: true },
  });
});

test("messages go to encrypted topics, which the named services alone may publish to", async () => {
  const { all, inputsOf } = await register({ ...smallest, "database:alarmEmails": '["dba@example.com"]' });
  expect(all("Topic").map(({ name, inputs }) => [name, inputs.kmsMasterKeyId])).toEqual([
    ["server-critical", `arn:aws:mock:eu-central-1:${account}:server-topics`],
    ["server-warning", `arn:aws:mock:eu-central-1:${account}:server-topics`],
  ]);
  expect(all("TopicSubscription").map(({ inputs }) => inputs.endpoint)).toEqual(["dba@example.com", "dba@example.com"]);
  const [statement] = JSON.parse(inputsOf("TopicPolicy", "server-critical").policy).Statement;
  expect(statement.Condition).toEqual({ StringEquals: { "aws:SourceAccount": account } });
  const [owner, services] = JSON.parse(inputsOf("KeyPolicy").policy).Statement;
  expect(owner.Principal).toEqual({ AWS: `arn:aws:iam::${account}:root` });
  expect(services.Principal.Service).toContain("cloudwatch.amazonaws.com");
});

test("transform changes the arguments and options of any child", async () => {
  const options: Record<string, pulumi.CustomResourceOptions> = {};
  const { inputsOf, all } = await register(smallest, {
    instance: (args, given) => {
      args.networkType = "DUAL";
      options.instance = { ...given };
    },
    alarm: (args, _, name) => {
      if (name === "server-cpu-high") args.threshold = 75;
    },
    topic: (args) => {
      args.tags = { team: "data" };
    },
  });
  expect(inputsOf("Instance").networkType).toBe("DUAL");
  expect(inputsOf("Instance").tags).toEqual({ project: "database", stack: "test" });
  expect(inputsOf("MetricAlarm", "server-cpu-high").threshold).toBe(75);
  expect(inputsOf("MetricAlarm", "server-storage-low").threshold).toBe(2 * 1024 ** 3);
  expect(all("Topic").map(({ inputs }) => inputs.tags)).toEqual([{ team: "data" }, { team: "data" }]);
  expect(options.instance).toMatchObject({ protect: true, retainOnDelete: false });
});

test("without deletionProtection nothing holds the instance, and retainOnDelete leaves it in place", async () => {
  let options: pulumi.CustomResourceOptions = {};
  const values = { ...smallest, "database:deletionProtection": "false", "database:retainOnDelete": "true" };
  const { inputsOf } = await register(values, {
    instance: (_, given) => {
      options = given;
    },
  });
  expect(inputsOf("Instance").deletionProtection).toBe(false);
  expect(options).toMatchObject({ protect: false, retainOnDelete: true });
});
