import { readFileSync } from "node:fs";
import { beforeEach, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { loadConfig } from "../../infra/config.ts";
import { rules } from "../../infra/configKeys.ts";

const rds = { "database:server": "rds", "aws:region": "eu-central-1" };

const key = "arn:aws:kms:eu-central-1:123456789012:key";

function mistakesOf(values: Record<string, string>): string {
  try {
    loadConfig(values);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("the configuration was accepted");
}

const variables = ["DATABASE_URL", "AWS_REGION", "AWS_DEFAULT_REGION"];
beforeEach(() => {
  for (const name of variables) delete process.env[name];
});

test("Pulumi.yaml declares the same keys, types and defaults as the program reads", () => {
  const declared = parse(readFileSync("Pulumi.yaml", "utf8")).config as Record<
    string,
    { type: string; default: unknown }
  >;
  const expected = Object.entries(rules).map(([key, rule]) => [key, rule.type, rule.default]);
  expect(Object.entries(declared).map(([key, { type, default: value }]) => [key, type, value])).toEqual(expected);
});

test("every default is valid", () => {
  expect(loadConfig({})).toMatchObject({ server: "embedded", version: 17, name: "investment", finalBackup: true });
});

test("the memory of the machine is shared by percentage", () => {
  const [half, quarter] = ["50", "25"].map((share) => loadConfig({ "database:memoryPercent": share }).machine.memory);
  expect(half! / quarter!).toBeCloseTo(2, 5);
});

test("all mistakes are listed at once, each with key, value, reason and fix", () => {
  const message = mistakesOf({
    "database:server": "oracle",
    "database:port": "eighty",
    "database:maxConnections": "3",
    "database:name": "My Database",
    "database:servr": "rds",
    "aws:region": "eu-central-1",
  });
  expect(message.split("\n").slice(1)).toEqual([
    expect.stringMatching(/^ {2}database:servr = rds: there is no such key; use one of server, version/),
    "  database:server = oracle: it is none of embedded, external, rds; set it to one of them",
    "  database:name = My Database: it does not have the form ^[a-z_][a-z0-9_]{0,62}$; write it like investment",
    "  database:port = eighty: it is not of type integer; write an integer",
    "  database:maxConnections = 3: it is not between 10 and 5000; give a number of sessions in that range",
  ]);
});

test.each([
  ["an external server without an address", { "database:server": "external" }, /database:url = "": .*no address/],
  [
    "a URL of another database",
    { "database:server": "external", "database:url": "mysql://u:geheim@h/d" },
    /not postgres:/,
  ],
  [
    "an embedded server of another version",
    { "database:version": "16" },
    /the embedded PostgreSQL of this project is 17/,
  ],
  ["a parameter that is a list", { "database:parameters": '{"work_mem":["1MB"]}' }, /work_mem is not a parameter/],
  [
    "storage that shrinks",
    { "database:server": "rds", "database:maxAllocatedStorage": "50" },
    /maxAllocatedStorage = 50: it is below allocatedStorage \(100\); raise it/,
  ],
  ["one subnet", { "database:server": "rds", "database:subnetIds": '["subnet-1a"]' }, /two availability zones/],
])("%s is refused", (_, values, reason) => {
  expect(mistakesOf(values as Record<string, string>)).toMatch(reason);
});

test("what is wrong with a key, and what is wrong across others, is told in one list", () => {
  const message = mistakesOf({
    "database:server": "rds",
    "database:instanceClass": "db.r99.large",
    "database:securityGroupIds": '["sg-1a","0.0.0.0/0","10.0.0.0/8"]',
    "database:vpcCidr": "8.8.8.0/24",
    "database:zones": '["a","a"]',
    "database:maintenanceWindow": "mon:00:30-mon:01:30",
    "database:backupWindow": "01:00-02:00",
    "database:iops": "16000",
    "database:blueGreen": "true",
    "database:backupCopyRegion": "eu",
  });
  expect(message.split("\n").slice(1)).toEqual([
    "  database:instanceClass = db.r99.large: the alarms know no such class; use one of toolkit/rds/classes.ts, or add its vCPUs and memory there",
    '  database:securityGroupIds = ["sg-1a","0.0.0.0/0","10.0.0.0/8"]: 0.0.0.0/0 is the whole world, which must not reach a database; name the security groups of what may connect, like sg-0a1b2c3d',
    '  database:securityGroupIds = ["sg-1a","0.0.0.0/0","10.0.0.0/8"]: "10.0.0.0/8" is not a security group; name the security groups of what may connect, like sg-0a1b2c3d',
    "  database:vpcCidr = 8.8.8.0/24: it is not a private block of /16 to /26; write it like 10.87.0.0/24",
    '  database:zones = ["a","a"]: it does not name two or three zones; write their letters, like ["a","b"]',
    "  database:backupCopyRegion = eu: it does not have the form ^([a-z]{2}(-[a-z]+)+-\\d)?$; write it like eu-west-1",
    '  aws:region = "": RDS has no region; pulumi config set aws:region eu-central-1, or set AWS_REGION',
    "  database:iops = 16000: gp3 takes it from 400 GiB on, and allocatedStorage is 100; remove it, or raise allocatedStorage to 400",
    "  database:backupWindow = 01:00-02:00: it overlaps maintenanceWindow (mon:00:30-mon:01:30), which RDS refuses; move one of the two",
    "  database:masterPassword = managed: RDS offers no blue/green updates with a master password that Secrets Manager manages; set it to own",
  ]);
});

test("every mistake in every replica is told", () => {
  const message = mistakesOf({
    ...rds,
    "database:replicas": JSON.stringify([{ name: "Reports", weigth: 2 }, { class: "db.r7g.huge", region: 5 }, "far"]),
  });
  const value = '[{"name":"Reports","weigth":2},{"class":"db.r7g.huge","region":5},"far"]';
  expect(message.split("\n").slice(1)).toEqual(
    [
      "name of entry 1: it does not have the form ^[a-z][a-z0-9]*(-[a-z0-9]+)*$; write it like reports",
      "there is no weigth of entry 1; use one of name, class, region, zone, weight, promotionTier, subnetIds, securityGroupIds, kmsKeyArn",
      "entry 2 has no name; give it one",
      "class of entry 2: the alarms know no such class; use one of toolkit/rds/classes.ts, or add its vCPUs and memory there",
      "region of entry 2 is not a string; write a string",
      'entry 3 is not an object; write it like {"name":"reports"}',
    ].map((reason) => `  database:replicas = ${value}: ${reason}`),
  );
});

test("replicas that do not fit their primary are refused", () => {
  const message = mistakesOf({
    ...rds,
    "database:masterPassword": "own",
    "database:blueGreen": "true",
    "database:replicas": JSON.stringify([
      { name: "small", class: "db.t4g.medium" },
      { name: "lost", zone: "us-east-1a" },
      { name: "near", securityGroupIds: ["sg-1a"] },
      { name: "far", region: "us-east-1", subnetIds: ["subnet-1a"], kmsKeyArn: `${key}/1` },
    ]),
  });
  expect(message.split("\n").slice(1)).toEqual([
    "  database:blueGreen = true: the AWS provider's blue/green update exchanges one instance, and would leave its replicas at the old one; set it to false, and upgrade by the console's blue/green deployment; or remove the replicas",
    "  database:replicas = small: its class db.t4g.medium is smaller than the primary's db.r7g.large, and replay stops where max_connections and max_worker_processes are lower than there; give it the same class or a larger one",
    "  database:replicas = lost: its zone us-east-1a is not in the region eu-central-1; correct the zone or the region",
    "  database:replicas = near: it is in the primary's region and shares its network and key; remove its subnetIds, securityGroupIds and kmsKeyArn",
    "  database:replicas = far: its key is of eu-central-1, not of us-east-1; name a key of its region",
    "  database:replicas = far: RDS wants subnets in two availability zones; add one, or leave it empty for a VPC of its own",
  ]);
});

test.each([
  [
    "a managed password with replicas",
    { "database:replicas": '[{"name":"reports"}]' },
    "masterPassword = managed: RDS offers no read replicas with a master password that Secrets Manager manages; set it to own",
  ],
  [
    "IOPS beyond the volume",
    { "database:allocatedStorage": "400", "database:iops": "11000" },
    "iops = 11000: gp3 takes 12000 to 64000 at 400 GiB; give a number in that range, or remove it",
  ],
  [
    "throughput beyond the IOPS",
    { "database:allocatedStorage": "400", "database:storageThroughput": "4000" },
    "storageThroughput = 4000: gp3 takes at most a quarter of the IOPS, which are 12000; lower it to 3000, or raise iops to 16000",
  ],
  [
    "a key of another region",
    { "aws:region": "eu-west-1", "database:encryptionKey": `${key}/1` },
    `encryptionKey = ${key}/1: it is a key of eu-central-1, and the database is in eu-west-1; name a key of the database's region`,
  ],
  [
    "a window that is too short",
    { "database:backupWindow": "01:00-01:20" },
    "backupWindow = 01:00-01:20: it is open for 20 minutes; give it at least 30 minutes and less than a day",
  ],
  [
    "windows that leave no hour to AWS Backup",
    { "database:backupWindow": "00:00-12:00", "database:maintenanceWindow": "sun:12:00-sun:23:30" },
    "maintenanceWindow = sun:12:00-sun:23:30: with the backup window it leaves AWS Backup no hour of the day; shorten one of the two",
  ],
  [
    "a lock on backups that nobody makes",
    {
      "database:dailyBackups": "0",
      "database:weeklyBackups": "0",
      "database:monthlyBackups": "0",
      "database:vaultLock": "true",
    },
    "vaultLock = true: there is no backup plan: dailyBackups, weeklyBackups and monthlyBackups are 0; keep backups of one of them, or remove it",
  ],
  [
    "a copy beside the original",
    { "database:backupCopyRegion": "eu-central-1" },
    "backupCopyRegion = eu-central-1: a copy in the database's own region is lost with it; name another region",
  ],
])("%s is refused", (_, values, mistake) => {
  expect(
    mistakesOf({ ...rds, ...values })
      .split("\n")
      .slice(1),
  ).toEqual([`  database:${mistake}`]);
});

test("a password in a wrong URL is not repeated", () => {
  expect(mistakesOf({ "database:server": "external", "database:url": "mysql://u:geheim@h/d" })).not.toContain("geheim");
});

test("DATABASE_URL serves an external stack that has no url", () => {
  process.env.DATABASE_URL = "postgres://u:p@127.0.0.1/d";
  expect(loadConfig({ "database:server": "external" }).url).toBeDefined();
});
