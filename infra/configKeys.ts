import {
  between,
  each,
  groups,
  knownClass,
  matching,
  oneOf,
  type Problem,
  privateBlock,
  scalars,
  thresholds,
  twoOrThreeZones,
} from "./keyChecks.ts";
import { checkImage } from "./operator/image.ts";
import { checkSchedule, checkTimeZone } from "./operator/schedule.ts";
import { checkReplicas } from "./replicaKeys.ts";
import { checkRoleLimits } from "./roles/keys.ts";
import { backupWindowForm, maintenanceWindowForm } from "./server/rds/windows.ts";

/** What one key of the configuration may be. */
export interface Rule {
  type: "string" | "integer" | "boolean" | "object" | "array";
  default?: unknown;
  check?: (value: never) => Problem | Problem[] | undefined;
}

/** CloudWatch keeps logs for these numbers of days (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html). */
const logDays = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

const region = /^([a-z]{2}(-[a-z]+)+-\d)?$/;

/**
 * Every key of the namespace `database`; Pulumi.yaml says the same to Pulumi, and a test compares the two.
 * Ports below 1024 want root; 63 bytes is PostgreSQL's limit for a name (NAMEDATALEN); RDS keeps backups up to 35 days
 * (https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups.BackupRetention.html).
 */
// biome-ignore format: one key, one line
export const rules: Record<string, Rule> = {
  server: { type: "string", default: "embedded", check: oneOf("embedded", "external", "rds") },
  version: { type: "integer", default: 17, check: oneOf(16, 17, 18) },
  minimumVersion: { type: "integer", default: 15, check: oneOf(15, 16, 17, 18) },
  name: { type: "string", default: "investment", check: matching(/^[a-z_][a-z0-9_]{0,62}$/, "investment") },
  url: { type: "string", default: "" },
  port: { type: "integer", default: 54320, check: between(1024, 65535, "a port") },
  maxConnections: { type: "integer", default: 100, check: between(10, 5000, "a number of sessions") },
  memoryPercent: { type: "integer", default: 50, check: between(5, 90, "a percentage") },
  parameters: { type: "object", default: {}, check: scalars },
  finalBackup: { type: "boolean", default: true },
  restoreFrom: { type: "string", default: "" },
  lockTimeout: { type: "integer", default: 5000, check: between(100, 600_000, "milliseconds") },
  migrateTo: { type: "string", default: "", check: matching(/^(\d{4}_[\w-]+)?$/, "0017_replace_table") },
  acceptDrift: { type: "string", default: "", check: matching(/^([0-9a-f]{12})?$/, "3fa9c0d1e2b4") },
  backupBefore: { type: "boolean", default: true },
  backupCount: { type: "integer", default: 5, check: between(1, 1000, "a number of backups") },
  autoRollback: { type: "boolean", default: true },
  slowdownFactor: { type: "integer", default: 3, check: between(2, 1000, "a factor") },
  concurrentIndexTimeout: { type: "integer", default: 60, check: between(1, 10_080, "minutes") },
  sampleData: { type: "boolean", default: false },
  thresholds: { type: "object", default: {}, check: thresholds },
  roles: { type: "string", default: "auto", check: oneOf("auto", "managed", "none") },
  rolePrefix: { type: "string", default: "", check: matching(/^([a-z_][a-z0-9_]*)?$/, "investment") },
  roleLimits: { type: "object", default: {}, check: checkRoleLimits },
  rolePasswordVersion: { type: "integer", default: 1, check: between(1, 1_000_000, "a number") },
  extensions: { type: "array", default: ["pg_stat_statements"], check: each(/^[a-z_][a-z0-9_-]*$/, "pg_stat_statements") },
  instanceClass: { type: "string", default: "db.r7g.large", check: knownClass },
  allocatedStorage: { type: "integer", default: 100, check: between(20, 65536, "GiB") },
  maxAllocatedStorage: { type: "integer", default: 1000, check: between(20, 65536, "GiB") },
  iops: { type: "integer", default: 0, check: between(0, 64_000, "I/O operations a second") },
  storageThroughput: { type: "integer", default: 0, check: between(0, 4000, "MiB a second") },
  encryptionKey: { type: "string", default: "account", check: matching(/^(account|own|arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+)$/, "account, own, or a key's ARN") },
  multiAz: { type: "boolean", default: true },
  masterPassword: { type: "string", default: "managed", check: oneOf("managed", "own") },
  passwordVersion: { type: "integer", default: 1, check: between(1, 1_000_000, "a number") },
  iamAuthentication: { type: "boolean", default: true },
  caCertificate: { type: "string", default: "rds-ca-rsa2048-g1", check: oneOf("rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1") },
  deletionProtection: { type: "boolean", default: true },
  retainOnDelete: { type: "boolean", default: false },
  maintenanceWindow: { type: "string", default: "sun:03:00-sun:04:00", check: matching(maintenanceWindowForm, "sun:03:00-sun:04:00") },
  autoMinorVersionUpgrade: { type: "boolean", default: true },
  allowMajorVersionUpgrade: { type: "boolean", default: false },
  blueGreen: { type: "boolean", default: false },
  applyImmediately: { type: "boolean", default: false },
  databaseInsights: { type: "string", default: "standard", check: oneOf("standard", "advanced") },
  monitoringInterval: { type: "integer", default: 60, check: oneOf(0, 1, 5, 10, 15, 30, 60) },
  logRetention: { type: "integer", default: 90, check: oneOf(...logDays) },
  alarmEmails: { type: "array", default: [], check: each(/^[^@\s]+@[^@\s]+\.[^@\s]+$/, "someone@example.com") },
  subnetIds: { type: "array", default: [], check: each(/^subnet-[0-9a-f]+$/, "subnet-0a1b2c3d") },
  securityGroupIds: { type: "array", default: [], check: groups },
  vpcCidr: { type: "string", default: "10.87.0.0/24", check: privateBlock },
  zones: { type: "array", default: ["a", "b"], check: twoOrThreeZones },
  replicas: { type: "array", default: [], check: checkReplicas },
  backupRetention: { type: "integer", default: 14, check: between(1, 35, "days") },
  backupWindow: { type: "string", default: "01:00-02:00", check: matching(backupWindowForm, "01:00-02:00") },
  dailyBackups: { type: "integer", default: 35, check: between(0, 36_500, "days") },
  weeklyBackups: { type: "integer", default: 90, check: between(0, 36_500, "days") },
  monthlyBackups: { type: "integer", default: 365, check: between(0, 36_500, "days") },
  backupCopyRegion: { type: "string", default: "", check: matching(region, "eu-west-1") },
  vaultLock: { type: "boolean", default: false },
  restoreTesting: { type: "boolean", default: false },
  operatorImage: { type: "string", default: "", check: checkImage },
  maintenanceSchedule: { type: "string", default: "cron(17 5 * * ? *)", check: checkSchedule },
  maintenanceTimeZone: { type: "string", default: "UTC", check: checkTimeZone },
  metricsInterval: { type: "integer", default: 5, check: between(1, 60, "minutes") },
};
