import * as pulumi from "@pulumi/pulumi";
import type { Config } from "../../config.ts";
import type { Channels } from "./channels.ts";
import type { ArgsOf, Children } from "./children.ts";
import type { Network } from "./network.ts";
import { makeServiceRole } from "./serviceRole.ts";
import { quietHour } from "./windows.ts";

/**
 * The plan's rules: which day of the schedule, and the key of the configuration that says how many days its backups are
 * kept. There is no move to cold storage: AWS Backup has none for RDS, and ignores the setting
 * (https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-feature-availability.html#features-by-resource).
 * Where two fall on one night, AWS Backup makes the one that is kept longer. Going back to any second is RDS's own affair, by `backupRetention`: two owners of continuous backups would fight.
 */
const rules = [
  { ruleName: "daily", day: "* * ?", keep: "dailyBackups" },
  { ruleName: "weekly", day: "? * SUN", keep: "weeklyBackups" },
  { ruleName: "monthly", day: "1 * ?", keep: "monthlyBackups" },
] as const;

/** What AWS Backup may do: back up, and restore for a test. */
const policies = ["AWSBackupServiceRolePolicyForBackup", "AWSBackupServiceRolePolicyForRestores"];

const failed = ["FAILED", "ABORTED", "EXPIRED"];

/**
 * Jobs that must not fail in silence. Backup and copy jobs tell a `state`, restore jobs a `status`.
 * @see https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html
 */
const failures = {
  source: ["aws.backup"],
  "detail-type": ["Backup Job State Change", "Copy Job State Change", "Restore Job State Change"],
  detail: { resourceType: ["RDS"], $or: [{ state: failed }, { status: failed }] },
};

export interface BackupsArgs {
  config: Config;
  /** What is backed up. */
  instanceArn: pulumi.Input<string>;
  /** Where a test restore goes. */
  network: Network;
  channels: Channels;
}

/** The backup policy beyond RDS's own: a locked vault, a plan, a copy in another region, and restores that are tried. */
export class Backups extends pulumi.ComponentResource {
  constructor(name: string, args: BackupsArgs, children: Children, options: pulumi.ComponentResourceOptions) {
    super("database:server:Backups", name, {}, options);
    const own = children.below(this);
    const { config } = args;
    const kept = rules.filter(({ keep }) => config[keep] > 0);
    const shortest = Math.min(...kept.map(({ keep }) => config[keep]));

    const roleArn = makeServiceRole(`${name}-backup`, "backup.amazonaws.com", policies, own);
    const vault = makeVault(`${name}-backups`, config.vaultLock ? shortest : undefined, own);
    const copy = config.backupCopyRegion
      ? makeVault(`${name}-backups-copy`, config.vaultLock ? shortest : undefined, own.in(config.backupCopyRegion))
      : undefined;
    makePlan(
      name,
      { config, kept, vault: vault.name, copyArn: copy?.arn, roleArn, instanceArn: args.instanceArn },
      own,
    );
    if (config.restoreTesting) makeRestoreTest(name, args, roleArn, vault.arn, own);
    tellOfFailures(name, args.channels, own);
    this.registerOutputs({ vault: vault.name });
  }
}

/**
 * A vault with its own key. A lock without `changeableForDays` is in governance mode: it stops whoever has no right to
 * lift it; with it, in compliance mode, nobody could ever lift it again.
 * @param minimum days before which no backup in it can be deleted; undefined for no lock
 */
function makeVault(name: string, minimum: number | undefined, own: Children) {
  const key = own.make("key", name, {
    description: "Encrypts backups of the database",
    enableKeyRotation: true,
    deletionWindowInDays: 30,
  });
  const vault = own.make("vault", name, { kmsKeyArn: key.arn }, { protect: minimum !== undefined });
  if (minimum !== undefined) own.make("vaultLock", name, { backupVaultName: vault.name, minRetentionDays: minimum });
  return vault;
}

interface PlanArgs {
  config: Config;
  kept: readonly (typeof rules)[number][];
  vault: pulumi.Input<string>;
  copyArn: pulumi.Input<string> | undefined;
  roleArn: pulumi.Input<string>;
  instanceArn: pulumi.Input<string>;
}

function makePlan(name: string, args: PlanArgs, own: Children): void {
  const hour = quietHour(args.config.backupWindow, args.config.maintenanceWindow);
  const planRules: ArgsOf<"plan">["rules"] = args.kept.map(({ ruleName, day, keep }) => ({
    ruleName,
    targetVaultName: args.vault,
    schedule: `cron(0 ${hour} ${day} *)`,
    startWindow: 60,
    completionWindow: 360,
    lifecycle: { deleteAfter: args.config[keep] },
    ...(args.copyArn && {
      copyActions: [{ destinationVaultArn: args.copyArn, lifecycle: { deleteAfter: args.config[keep] } }],
    }),
  }));
  const plan = own.make("plan", name, { rules: planRules });
  own.make("selection", name, { planId: plan.id, iamRoleArn: args.roleArn, resources: [args.instanceArn] });
}

/** Once a week the newest backup is restored, kept for an hour, and deleted by AWS Backup. */
function makeRestoreTest(
  name: string,
  args: BackupsArgs,
  iamRoleArn: pulumi.Input<string>,
  vaultArn: pulumi.Input<string>,
  own: Children,
): void {
  // Names of AWS Backup's restore tests take letters, digits and underscores only.
  const testName = `${name}_${pulumi.getStack()}`.replace(/\W/g, "_");
  const plan = own.make("restoreTestingPlan", name, {
    name: testName,
    scheduleExpression: "cron(0 12 ? * WED *)",
    startWindowHours: 8,
    recoveryPointSelection: {
      algorithm: "LATEST_WITHIN_WINDOW",
      includeVaults: [vaultArn],
      recoveryPointTypes: ["SNAPSHOT"],
      selectionWindowDays: 7,
    },
  });
  own.make("restoreTestingSelection", name, {
    name: testName,
    restoreTestingPlanName: plan.name,
    iamRoleArn,
    protectedResourceType: "RDS",
    protectedResourceArns: [args.instanceArn],
    validationWindowHours: 1,
    // By itself it would be put into the default VPC.
    // https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-testing-inferred-metadata.html
    restoreMetadataOverrides: {
      dbSubnetGroupName: args.network.subnetGroupName,
      vpcSecurityGroupIds: args.network.securityGroupId.apply((id) => JSON.stringify([id])),
      multiAz: "false",
      publiclyAccessible: "false",
    },
  });
}

/** Sends what EventBridge hears of failed jobs, of any RDS database in this region, to the topic of warnings. */
function tellOfFailures(name: string, channels: Channels, own: Children): void {
  const rule = own.make("eventRule", `${name}-backups-failed`, {
    description: "A backup, copy or restore of RDS failed. Runbook: runbooks/restore-backup.md",
    eventPattern: JSON.stringify(failures),
  });
  own.make("eventTarget", `${name}-backups-failed`, { rule: rule.name, arn: channels.topics.warning });
}
