import { instanceClasses } from "../toolkit/rds/classes.ts";
import type { Contradiction, Mistake, Values } from "./contradictions.ts";
import { storageMistakes } from "./server/rds/storage.ts";
import { backupWindows, lengthOf, maintenanceWindow, overlap, quietHour } from "./server/rds/windows.ts";

/** Makes a rule that looks at the keys it names. */
const rule = (
  keys: (keyof Values)[],
  find: (values: Values) => (Mistake | false | "" | undefined)[],
): Contradiction => ({
  keys,
  server: "rds",
  find: (values) => find(values).filter((mistake) => typeof mistake === "object"),
});

/** The region of an ARN. */
const regionOf = (arn: string) => arn.split(":")[3]!;

const plans = ["dailyBackups", "weeklyBackups", "monthlyBackups"] as const;

/** What belongs together across the keys of an RDS stack. */
export const rdsContradictions: Contradiction[] = [
  rule(["region"], ({ region }) => [
    !region && {
      key: "aws:region",
      value: "",
      reason: "RDS has no region",
      fix: "pulumi config set aws:region eu-central-1, or set AWS_REGION",
    },
  ]),
  rule(["subnetIds"], ({ subnetIds }) => [
    subnetIds.length === 1 && {
      key: "subnetIds",
      value: subnetIds,
      reason: "RDS wants subnets in two availability zones",
      fix: "add one, or leave it empty for a VPC of its own",
    },
  ]),
  rule(["allocatedStorage", "maxAllocatedStorage"], ({ allocatedStorage, maxAllocatedStorage }) => [
    maxAllocatedStorage < allocatedStorage && {
      key: "maxAllocatedStorage",
      value: maxAllocatedStorage,
      reason: `it is below allocatedStorage (${allocatedStorage})`,
      fix: "raise it",
    },
  ]),
  rule(["allocatedStorage", "iops", "storageThroughput"], (values) =>
    storageMistakes(values).map((mistake) => ({ ...mistake, value: values[mistake.key] })),
  ),
  rule(["encryptionKey", "region"], ({ encryptionKey, region }) => [
    encryptionKey.startsWith("arn:") &&
      regionOf(encryptionKey) !== region && {
        key: "encryptionKey",
        value: encryptionKey,
        reason: `it is a key of ${regionOf(encryptionKey)}, and the database is in ${region}`,
        fix: "name a key of the database's region",
      },
  ]),
  rule(["backupWindow", "maintenanceWindow"], windows),
  rule(["masterPassword", "replicas", "blueGreen"], ({ masterPassword, replicas, blueGreen }) => [
    masterPassword === "managed" &&
      (replicas.length > 0 || blueGreen) && {
        key: "masterPassword",
        value: masterPassword,
        reason: `RDS offers no ${replicas.length > 0 ? "read replicas" : "blue/green updates"} with a master password that Secrets Manager manages`,
        fix: "set it to own",
      },
    blueGreen &&
      replicas.length > 0 && {
        key: "blueGreen",
        value: blueGreen,
        reason:
          "the AWS provider's blue/green update exchanges one instance, and would leave its replicas at the old one",
        fix: "set it to false, and upgrade by the console's blue/green deployment; or remove the replicas",
      },
  ]),
  rule(["replicas", "instanceClass", "parameters", "region"], replicas),
  rule([...plans, "vaultLock", "restoreTesting", "backupCopyRegion", "region"], backups),
  rule([...plans, "backupWindow", "maintenanceWindow"], (values) => [
    plans.some((key) => values[key] > 0) &&
      quietHour(values.backupWindow, values.maintenanceWindow) === undefined && {
        key: "maintenanceWindow",
        value: values.maintenanceWindow,
        reason: "with the backup window it leaves AWS Backup no hour of the day",
        fix: "shorten one of the two",
      },
  ]),
];

/**
 * At least half an hour each, less than a day, and never both at once.
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.Maintenance.html#Concepts.DBMaintenance
 */
function windows(values: Values) {
  const maintenance = maintenanceWindow(values.maintenanceWindow);
  const backup = backupWindows(values.backupWindow);
  const short = (key: "maintenanceWindow" | "backupWindow", minutes: number) =>
    (minutes < 30 || minutes >= 24 * 60) && {
      key,
      value: values[key],
      reason: `it is open for ${minutes} minutes`,
      fix: "give it at least 30 minutes and less than a day",
    };
  return [
    short("maintenanceWindow", lengthOf(maintenance)),
    short("backupWindow", lengthOf(backup[0]!)),
    backup.some((window) => overlap(window, maintenance)) && {
      key: "backupWindow",
      value: values.backupWindow,
      reason: `it overlaps maintenanceWindow (${values.maintenanceWindow}), which RDS refuses`,
      fix: "move one of the two",
    },
  ];
}

function replicas(values: Values) {
  const primary = instanceClasses[values.instanceClass]!;
  return values.replicas.flatMap((replica) => {
    const wrong = (reason: string, fix: string) => ({ key: "replicas", value: replica.name, reason, fix });
    const size = instanceClasses[replica.class]!;
    const isHere = replica.region === values.region;
    return [
      // https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-ADMIN
      (size.memory < primary.memory || size.vcpus < primary.vcpus) &&
        wrong(
          `its class ${replica.class} is smaller than the primary's ${values.instanceClass}, and replay stops where max_connections and max_worker_processes are lower than there`,
          "give it the same class or a larger one",
        ),
      replica.zone &&
        !replica.zone.startsWith(replica.region) &&
        wrong(`its zone ${replica.zone} is not in the region ${replica.region}`, "correct the zone or the region"),
      isHere &&
        (replica.subnetIds.length > 0 || replica.securityGroupIds.length > 0 || replica.kmsKeyArn) &&
        wrong(
          "it is in the primary's region and shares its network and key",
          "remove its subnetIds, securityGroupIds and kmsKeyArn",
        ),
      !isHere &&
        replica.kmsKeyArn &&
        regionOf(replica.kmsKeyArn) !== replica.region &&
        wrong(`its key is of ${regionOf(replica.kmsKeyArn)}, not of ${replica.region}`, "name a key of its region"),
      replica.subnetIds.length === 1 &&
        wrong("RDS wants subnets in two availability zones", "add one, or leave it empty for a VPC of its own"),
    ];
  });
}

function backups(values: Values) {
  const { backupCopyRegion, region } = values;
  const hasPlan = plans.some((key) => values[key] > 0);
  return [
    ...(["vaultLock", "restoreTesting", "backupCopyRegion"] as const).map(
      (key) =>
        !hasPlan &&
        values[key] && {
          key,
          value: values[key],
          reason: "there is no backup plan: dailyBackups, weeklyBackups and monthlyBackups are 0",
          fix: "keep backups of one of them, or remove it",
        },
    ),
    backupCopyRegion &&
      backupCopyRegion === region && {
        key: "backupCopyRegion",
        value: backupCopyRegion,
        reason: "a copy in the database's own region is lost with it",
        fix: "name another region",
      },
  ];
}
