import { expect, test } from "@jest/globals";
import { secret, unknownValue } from "../../../infra/engine/wire.ts";
import type { Resource } from "../../../infra/policy/rule.ts";
import { findViolations, rules } from "../../../infra/policy/rules.ts";
import { alarmsOf, primary, replica, resource } from "./resources.ts";

/** What one rule says of resources, of which it may see all. */
function judge(name: string, ...stack: Resource[]): string[] {
  const rule = rules.find((one) => one.name === name)!;
  return stack.flatMap((one) => rule.validate(one, stack));
}

const parameterGroup = (...parameters: object[]) =>
  resource("aws:rds/parameterGroup:ParameterGroup", { family: "postgres17", parameters });

const ingress = (props: Resource["props"]) =>
  resource("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", props);

const containers = (container: object) =>
  resource("aws:ecs/taskDefinition:TaskDefinition", {
    containerDefinitions: JSON.stringify([{ name: "app", ...container }]),
  });

const basic = ["CPUUtilization", "FreeableMemory", "FreeStorageSpace", "DatabaseConnections"];

/** For each rule what it lets pass and what it stops. */
// biome-ignore format: one case, one line
const cases: Record<string, { passes: Resource[][]; fails: [Resource[], RegExp][] }> = {
  "storage-encrypted": {
    passes: [[primary()], [replica()], [primary({ storageEncrypted: unknownValue })]],
    fails: [
      [[primary({ storageEncrypted: false })], /set storageEncrypted to true/],
      [[primary({ storageEncrypted: undefined })], /not encrypted/],
      [[replica({ storageEncrypted: false })], /not encrypted/],
      [[resource("aws:ebs/volume:Volume", { size: 10 })], /set encrypted to true/],
    ],
  },
  "no-public-access": {
    passes: [[primary()], [primary({ publiclyAccessible: undefined })]],
    fails: [[[primary({ publiclyAccessible: true })], /from the internet/], [[replica({ publiclyAccessible: true })], /bastion or SSM/]],
  },
  "deletion-protection": {
    passes: [[primary()], [replica()]],
    fails: [[[primary({ deletionProtection: false })], /one call deletes it/], [[primary({ deletionProtection: undefined })], /one call/]],
  },
  "backup-retention": {
    passes: [[primary({ backupRetentionPeriod: 7 })], [replica()], [primary({ backupRetentionPeriod: unknownValue })]],
    fails: [[[primary({ backupRetentionPeriod: 6 })], /kept for 6 days: .* 7 or more/], [[primary({ backupRetentionPeriod: undefined })], /for 0 days/]],
  },
  "multi-az-in-production": {
    passes: [[primary()], [primary({ multiAz: false }, { stack: "staging" })], [primary({ multiAz: false }, { stack: "product-demo" })], [replica()]],
    fails: [[[primary({ multiAz: false })], /stack prod has no standby/], [[primary({ multiAz: undefined }, { stack: "production-eu" })], /multiAz/]],
  },
  "own-parameter-group": {
    passes: [[primary()], [primary({ parameterGroupName: unknownValue })]],
    fails: [[[primary({ parameterGroupName: "default.postgres17" })], /default parameter group/], [[replica({ parameterGroupName: undefined })], /set parameterGroupName/]],
  },
  "final-snapshot": {
    passes: [[primary()], [replica()]],
    fails: [[[primary({ skipFinalSnapshot: true })], /without a snapshot/], [[primary({ finalSnapshotIdentifier: undefined })], /set finalSnapshotIdentifier/]],
  },
  "no-open-security-group": {
    passes: [
      [ingress({ referencedSecurityGroupId: "sg-1" })],
      [ingress({ cidrIpv4: "10.0.0.0/8" })],
      [resource("aws:ec2/securityGroup:SecurityGroup", { ingress: [], egress: [{ cidrBlocks: ["0.0.0.0/0"] }] })],
      [resource("aws:ec2/securityGroupRule:SecurityGroupRule", { type: "egress", cidrBlocks: ["0.0.0.0/0"] })],
    ],
    fails: [
      [[ingress({ cidrIpv4: "0.0.0.0/0" })], /open to the world \(0\.0\.0\.0\/0\)/],
      [[ingress({ cidrIpv6: "::/0" })], /\(::\/0\)/],
      [[resource("aws:ec2/securityGroup:SecurityGroup", { ingress: [{ cidrBlocks: ["10.0.0.0/8", "0.0.0.0/0"] }] })], /name the security groups/],
      [[resource("aws:ec2/securityGroupRule:SecurityGroupRule", { type: "ingress", ipv6CidrBlocks: ["0::0/0"] })], /open to the world/],
    ],
  },
  "tls-forced": {
    passes: [
      [parameterGroup({ name: "rds.force_ssl", value: "1" })],
      [resource("aws:rds/parameterGroup:ParameterGroup", { family: "mysql8.0", parameters: [] })],
      [resource("aws:rds/parameterGroup:ParameterGroup", { family: "postgres17", parameters: unknownValue })],
    ],
    fails: [
      [[parameterGroup({ name: "jit", value: "0" })], /does not say whether TLS is forced/],
      [[parameterGroup({ name: "rds.force_ssl", value: "0" })], /lets plain-text sessions in: set rds\.force_ssl to 1/],
    ],
  },
  "alarms-exist": {
    passes: [
      [primary(), ...alarmsOf("database-prod", ...basic)],
      [replica(), ...alarmsOf("database-prod-replica", ...basic, "ReplicaLag")],
      // An identifier that AWS will give: the alarm names its instance by dependency.
      [
        primary({ identifier: undefined }),
        ...basic.map((metricName) => resource("aws:cloudwatch/metricAlarm:MetricAlarm",
          { metricName, dimensions: unknownValue }, { propertyDependencies: { dimensions: [primary().urn] } })),
      ],
      // Several metrics in one alarm.
      [
        primary(),
        resource("aws:cloudwatch/metricAlarm:MetricAlarm", {
          metricQueries: basic.map((metricName) => ({ metric: { metricName, dimensions: { DBInstanceIdentifier: "database-prod" } } })),
        }),
      ],
    ],
    fails: [
      [[primary()], /no alarm would tell of CPUUtilization .*DatabaseConnections/],
      [[primary(), ...alarmsOf("another", ...basic)], /CPUUtilization/],
      [[primary(), ...alarmsOf("database-prod", ...basic.slice(1))], /tell of CPUUtilization \(a runaway query\): add/],
      [[replica(), ...alarmsOf("database-prod-replica", ...basic)], /tell of ReplicaLag \(stale reads\)/],
    ],
  },
  "no-plaintext-secret": {
    passes: [
      [primary({ password: secret("geheim"), passwordWoVersion: 3, manageMasterUserPassword: true })],
      [primary({ password: unknownValue, masterUserSecretKmsKeyId: "arn:aws:kms:eu-central-1:1:key/2" })],
      [resource("x:y:Z", { settings: { password_encryption: "scram-sha-256" }, secretId: "db/master", connection: secret({ password: "geheim" }) })],
      [containers({ environment: [{ name: "PGUSER", value: "me" }], secrets: [{ name: "PGPASSWORD", valueFrom: "arn:aws:secretsmanager:a" }] })],
      [resource("aws:ecs/taskDefinition:TaskDefinition", { containerDefinitions: unknownValue })],
      [resource("x:y:Z", { url: "postgres://db.example.com/shop", token: "[secret]", secret: "arn:aws:secretsmanager:eu-central-1:1:secret:a" })],
    ],
    fails: [
      [[primary({ password: "geheim" })], /^password is in plain text/],
      [[resource("x:y:Z", { nested: [{ apiToken: "geheim" }] })], /^nested\[0\]\.apiToken is in plain text/],
      [[resource("x:y:Z", { secretString: "geheim" })], /^secretString/],
      [[resource("x:y:Z", { address: "postgres://u:geheim@db.example.com/shop" })], /^address .* wrap it in pulumi\.secret\(\)/],
      [[resource("x:y:Z", { dsn: "host=db password=geheim" })], /^dsn/],
      [[containers({ environment: [{ name: "PGHOST", value: "db" }, { name: "PGPASSWORD", value: "geheim" }] })], /^PGPASSWORD of container app is in plain text: let ECS/],
      [[containers({ environment: [{ name: "DATABASE_URL", value: "postgres://u:geheim@db/x" }] })], /^DATABASE_URL of container app/],
    ],
  },
};

test.each(rules.map(({ name }) => name))("%s lets pass what keeps it, and stops what breaks it", (name) => {
  const { passes, fails } = cases[name]!;
  for (const stack of passes) expect(judge(name, ...stack)).toEqual([]);
  for (const [stack, message] of fails) expect(judge(name, ...stack)).toEqual([expect.stringMatching(message)]);
});

test("no message holds the secret that it is about", () => {
  const open = resource("x:y:Z", { password: "geheim", url: "postgres://u:geheim@db/x" });
  const found = findViolations([open]);
  expect(found).toHaveLength(2);
  expect(JSON.stringify(found)).not.toContain("geheim");
});

test("a stack that keeps every rule breaks none; one that does not is told by rule and resource", () => {
  const good = [primary(), ...alarmsOf("database-prod", ...basic)];
  expect(findViolations(good)).toEqual([]);
  expect(findViolations([primary({ multiAz: false }), ...good.slice(1)])).toEqual([
    {
      rule: "multi-az-in-production",
      enforcementLevel: "mandatory",
      urn: "urn:pulumi:prod::database::aws:rds/instance:Instance::server",
      message: expect.stringContaining("multiAz"),
    },
  ]);
});

test("every rule has a name of its own that Pulumi takes, and a description", () => {
  expect(new Set(rules.map(({ name }) => name)).size).toBe(rules.length);
  for (const { name, description } of rules) {
    expect(name).toMatch(/^[a-z][a-z-]{1,99}$/);
    expect(description.length).toBeGreaterThan(20);
  }
});
