import { beforeEach, expect, test } from "@jest/globals";
import * as pulumi from "@pulumi/pulumi";
import program from "../../infra/index.ts";

interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

let registered: Registered[];

/** What the resources would answer, where the program goes on with it. */
const outputs: Record<string, object> = {
  "pulumi-nodejs:dynamic:EmbeddedServer": {
    connection: { host: "127.0.0.1", port: 54320, database: "investment", user: "postgres", password: "geheim" },
    systemIdentifier: "7",
  },
  "pulumi-nodejs:dynamic:Migrations": { applied: ["0001_initial_schema"] },
  "pulumi-nodejs:dynamic:SampleData": { report: [] },
  "aws:rds/instance:Instance": { address: "db.example.com", masterUserSecrets: [{ secretArn: "arn:aws:secret" }] },
};

beforeEach(async () => {
  registered = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, id }) => {
        registered.push({ type, name, inputs });
        return { id: id || `${name}-id`, state: { ...inputs, ...outputs[type] } };
      },
      call: () => ({ secretString: '{"password":"geheim"}' }),
    },
    "database",
    "test",
  );
});

async function register(config: Record<string, string>): Promise<Map<string, Registered[]>> {
  pulumi.runtime.setAllConfig(config);
  program();
  // Registrations are on their way until the last of them has answered.
  await pulumi.runtime.disconnect();
  return Map.groupBy(registered, ({ type }) => type);
}

test("an embedded stack is a server, then its schema, then its prices", async () => {
  const resources = await register({ "database:server": "embedded", "database:sampleData": "true" });
  expect([...resources.keys()]).toEqual(
    ["EmbeddedServer", "Migrations", "SampleData"].map((name) => `pulumi-nodejs:dynamic:${name}`),
  );
  expect(resources.get("pulumi-nodejs:dynamic:EmbeddedServer")![0]!.inputs).toMatchObject({
    directory: ".local/test",
    port: 54320,
    database: "investment",
    finalBackup: true,
    settings: { random_page_cost: "1.1" },
  });
});

test("an external stack adopts its server and brings no data of its own", async () => {
  const resources = await register({
    "database:server": "external",
    "database:url": "postgres://u:geheim@db.example.com/shop",
  });
  expect([...resources.keys()]).toEqual(
    ["ExternalServer", "Migrations"].map((name) => `pulumi-nodejs:dynamic:${name}`),
  );
});

test("an RDS stack is private, encrypted, backed up and hard to delete by mistake", async () => {
  const resources = await register({
    "aws:region": "eu-central-1",
    "database:server": "rds",
    "database:securityGroupIds": '["sg-0a1b2c3d"]',
  });
  expect(resources.get("aws:rds/instance:Instance")![0]!.inputs).toMatchObject({
    engine: "postgres",
    engineVersion: "17",
    publiclyAccessible: false,
    storageEncrypted: true,
    multiAz: true,
    backupRetentionPeriod: 14,
    deletionProtection: true,
    skipFinalSnapshot: false,
    finalSnapshotIdentifier: "server-test-final",
    manageMasterUserPassword: true,
  });
  expect(resources.get("aws:rds/parameterGroup:ParameterGroup")![0]!.inputs.family).toBe("postgres17");
  expect(resources.get("aws:ec2/subnet:Subnet")).toHaveLength(2);
  expect(resources.get("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")![0]!.inputs).toMatchObject({
    referencedSecurityGroupId: "sg-0a1b2c3d",
    fromPort: 5432,
  });
});

test("subnets that are named are used, and no network is made", async () => {
  const resources = await register({
    "aws:region": "eu-central-1",
    "database:server": "rds",
    "database:subnetIds": '["subnet-1a","subnet-2b"]',
  });
  expect(resources.get("aws:rds/subnetGroup:SubnetGroup")![0]!.inputs.subnetIds).toEqual(["subnet-1a", "subnet-2b"]);
  expect(resources.has("aws:ec2/vpc:Vpc")).toBe(false);
});
