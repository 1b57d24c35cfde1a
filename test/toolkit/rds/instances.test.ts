import { PutMetricDataCommand } from "@aws-sdk/client-cloudwatch";
import {
  CreateDBInstanceReadReplicaCommand,
  CreateDBParameterGroupCommand,
  DeleteDBInstanceCommand,
  DescribeDBInstancesCommand,
  ModifyDBInstanceCommand,
} from "@aws-sdk/client-rds";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { describe as describeOne } from "../../../toolkit/rds/describe.ts";
import type { Call } from "../../../toolkit/rds/dryRun.ts";
import { grow } from "../../../toolkit/rds/grow.ts";
import { waitForInstance } from "../../../toolkit/rds/instance.ts";
import { promote } from "../../../toolkit/rds/promote.ts";
import { restore, restoredTag } from "../../../toolkit/rds/restore.ts";
import { snapshot } from "../../../toolkit/rds/snapshot.ts";
import { swap } from "../../../toolkit/rds/swap.ts";
import { createGreen, deleteDeployment, switchOver } from "../../../toolkit/rds/upgrade.ts";
import { findMoto } from "../backup/moto.ts";
import { failure } from "../backup/support.ts";
import { seen, startAccount, writes } from "./support.ts";

const moto = findMoto();
// A machine without moto shows these as skipped, not as passed.
const here = moto ? describe : describe.skip;

here("an RDS instance, as moto's server plays it", () => {
  let account: Awaited<ReturnType<typeof startAccount>>;
  let endpoint: string;
  const names = async () =>
    (await account.rds.send(new DescribeDBInstancesCommand({})))
      .DBInstances!.map((one) => one.DBInstanceIdentifier)
      .sort();
  const one = async (name: string) =>
    (await account.rds.send(new DescribeDBInstancesCommand({ DBInstanceIdentifier: name }))).DBInstances![0]!;
  const remove = (name: string) =>
    account.rds.send(new DeleteDBInstanceCommand({ DBInstanceIdentifier: name, SkipFinalSnapshot: true }));

  beforeAll(async () => {
    account = await startAccount(moto!);
    endpoint = account.endpoint;
    for (const [name, family] of [
      ["tuned", "postgres17"],
      ["tuned-18", "postgres18"],
    ])
      await account.rds.send(
        new CreateDBParameterGroupCommand({
          DBParameterGroupName: name,
          DBParameterGroupFamily: family,
          Description: "a test",
        }),
      );
    await account.makeInstance("investment", {
      DBParameterGroupName: "tuned",
      VpcSecurityGroupIds: ["sg-1"],
      MultiAZ: true,
      PreferredMaintenanceWindow: "sun:03:00-sun:04:00",
    });
  });

  test("it is described by what somebody on call has to know", async () => {
    const { result } = await seen("investment", describeOne, { endpoint });
    expect(result).toMatchObject({
      ...{ identifier: "investment", status: "available", version: "17.4", storage_gib: 100, multi_az: true },
      ...{ parameter_group: "tuned (in-sync)", security_groups: "sg-1", backup_days: 14, password: "own" },
    });
  });

  test("one that is not there is named, with what to do", async () => {
    expect(await failure(seen("elsewhere", describeOne, { endpoint }))).toBe(
      "AWS refuses what was asked of the instance elsewhere in eu-central-1\n" +
        "  why: DBInstance elsewhere not found.\n" +
        "  fix: Correct --instance or --region; `aws rds describe-db-instances` lists what there is.",
    );
  });

  test("waiting for it gives up after its time, and says that AWS goes on", async () => {
    const never = (session: Parameters<typeof waitForInstance>[0]) =>
      waitForInstance(session, "investment", { minutes: 60, ready: () => false });
    expect(await failure(seen("investment", never, { endpoint, timeout: 0.001 }))).toBe(
      "instance investment: still available after 0.001 minutes\n" +
        "  why: AWS has not said that it failed: it goes on without us.\n" +
        "  fix: Run the same command again to go on waiting, or give it a longer --timeout.",
    );
  });

  test("a snapshot is made once, however often it is asked for", async () => {
    const make = () => seen("investment", (session) => snapshot(session, "before"), { endpoint });
    expect((await make()).lines).toEqual(["the snapshot before is available"]);
    expect((await make()).lines).toEqual(["the snapshot before is there already", "the snapshot before is available"]);
  });

  test("a restore has the class, network, parameters and protection of its source, and runs once", async () => {
    const options = { to: "restored", from: "latest" as const };
    const dry = await seen("investment", (session) => restore(session, options), { endpoint, dry: true });
    expect(await names()).toEqual(["investment"]);
    const real = await seen("investment", (session) => restore(session, options), { endpoint });
    expect(real.lines).toEqual([
      "the instance restored is being made from investment@latest",
      "the instance restored is available at 127.0.0.1",
    ]);
    // What the dry run prints is what is called.
    const written = ({ calls }: typeof real) => calls.filter(({ operation }) => !operation.startsWith("Describe"));
    expect(written(dry)).toEqual(written(real));
    expect(written(real).map(({ operation }) => operation)).toEqual([
      "RestoreDBInstanceToPointInTime",
      "ModifyDBInstance",
    ]);
    expect(written(real)[0]!.input).toMatchObject({
      ...{ SourceDBInstanceIdentifier: "investment", TargetDBInstanceIdentifier: "restored" },
      ...{ UseLatestRestorableTime: true, DBInstanceClass: "db.r7g.large", DBParameterGroupName: "tuned" },
      ...{ VpcSecurityGroupIds: ["sg-1"], MultiAZ: true, DeletionProtection: false, BackupRetentionPeriod: 14 },
      Tags: [{ Key: restoredTag, Value: "investment@latest" }],
    });
    // gp3 below 400 GiB takes no performance of its own.
    expect(written(real)[0]!.input).not.toHaveProperty("Iops");
    expect(written(real)[1]!.input).toMatchObject({ PreferredMaintenanceWindow: "sun:03:00-sun:04:00" });
    const again = await seen("investment", (session) => restore(session, options), { endpoint });
    expect([again.lines[0], writes(again.calls)]).toEqual([
      "the instance restored was begun before: going on",
      ["ModifyDBInstance"],
    ]);
  });

  test("a restore never touches an instance that it did not make", async () => {
    await account.makeInstance("taken");
    const options = { to: "taken", from: { snapshot: "before" } };
    expect(await failure(seen("investment", (session) => restore(session, options), { endpoint }))).toBe(
      "there already is an instance taken\n" +
        "  why: It was not restored by this command.\n" +
        "  fix: Give another name with --to.",
    );
    await remove("taken");
    const made = await seen("investment", (session) => restore(session, options), { endpoint });
    expect(writes(made.calls)).toEqual(["RestoreDBInstanceFromDBSnapshot", "ModifyDBInstance"]);
    await remove("taken");
  });

  test("a swap exchanges the names, goes on when it was cut off between the two, and runs once", async () => {
    const swapped = () => seen("investment", (session) => swap(session, "restored"), { endpoint });
    // As a run leaves it that was killed after its first half.
    const half = { DBInstanceIdentifier: "investment", NewDBInstanceIdentifier: "investment-old" };
    await account.rds.send(new ModifyDBInstanceCommand(half));
    expect((await swapped()).lines).toEqual([
      "investment now is what was restored; what it was before is investment-old",
    ]);
    expect(await names()).toEqual(["investment", "investment-old"]);
    expect((await one("investment")).TagList).toContainEqual({ Key: restoredTag, Value: "investment@latest" });
    const again = await swapped();
    expect([again.lines, writes(again.calls)]).toEqual([
      ["swapped before: investment is the new one, and investment-old the one that had the name"],
      [],
    ]);
    await remove("investment-old");
  });

  test("a replica is promoted when it has caught up, gets backups and protection, and is promoted once", async () => {
    await account.rds.send(
      new CreateDBInstanceReadReplicaCommand({
        DBInstanceIdentifier: "replica",
        SourceDBInstanceIdentifier: "investment",
      }),
    );
    const options = { maxLag: 300, backupRetention: 14, multiAz: true };
    // Moto leaves the primary's name on a replica that it has promoted: waiting for it ends by its time.
    const run = () => seen("replica", (session) => promote(session, options), { endpoint, timeout: 0.001, calls });
    const calls: Call[] = [];
    expect(await failure(run())).toBe(
      "how far replica is behind is not known\n" +
        "  why: What it has not received from its primary by now is lost when it is promoted.\n" +
        "  fix: Stop the writes and wait until it has caught up; where the primary is lost, add --accept-loss.",
    );
    const lag = (Value: number, age: number) => ({
      MetricName: "ReplicaLag",
      Dimensions: [{ Name: "DBInstanceIdentifier", Value: "replica" }],
      Timestamp: new Date(Date.now() - age),
      Value,
    });
    const put = (MetricData: ReturnType<typeof lag>[]) =>
      account.metrics.send(new PutMetricDataCommand({ Namespace: "AWS/RDS", MetricData }));
    await put([lag(3, 400_000), lag(900, 130_000)]);
    expect((await failure(run())).split("\n")[0]).toBe("replica is 900 s behind, more than 300 s");
    expect(writes(calls)).toEqual([]);
    await put([lag(2, 5_000)]);
    expect((await failure(run())).split("\n")[0]).toBe("instance replica: still available after 0.001 minutes");
    expect(writes(calls)).toEqual(["PromoteReadReplica"]);
    // What is no replica any more gets what it lacks: so a run goes on that was cut off after the promotion.
    await account.makeInstance("promoted", { BackupRetentionPeriod: 0 });
    const { calls: rest } = await seen("promoted", (session) => promote(session, options), { endpoint });
    expect(writes(rest)).toEqual(["ModifyDBInstance"]);
    expect(await one("promoted")).toMatchObject({ BackupRetentionPeriod: 14, MultiAZ: true, DeletionProtection: true });
  });

  test("storage grows, never shrinks, and is left alone where it is so already", async () => {
    const growing = (options: Parameters<typeof grow>[1]) =>
      seen("investment", (session) => grow(session, options), { endpoint });
    expect(await failure(growing({ storage: 50 }))).toBe(
      "investment has 100 GiB, and storage cannot shrink\n" +
        "  fix: For a smaller one move the data: restore a dump in a new instance, or switch to a blue/green copy.",
    );
    expect(await failure(growing({ storage: 105 }))).toBe(
      "105 GiB is too small a step from 100\n  why: AWS takes at least a tenth more.\n  fix: Give 110 or more.",
    );
    expect(await failure(growing({ iops: 12_000 }))).toBe(
      "gp3 takes its own IOPS and throughput from 400 GiB on, not at 100\n" +
        "  fix: Leave them out, or raise --storage to 400.",
    );
    await growing({ storage: 200, limit: 500 });
    expect(await one("investment")).toMatchObject({ AllocatedStorage: 200, MaxAllocatedStorage: 500 });
    expect((await growing({ storage: 200 })).lines).toEqual(["investment is so already"]);
  });

  test("a blue/green copy takes over once, and is removed without the instances", async () => {
    await account.makeInstance("blue", { DBParameterGroupName: "tuned" });
    const run = (work: Parameters<typeof seen>[1], dry = false) => seen("blue", work, { endpoint, dry });
    expect(await failure(run((session) => switchOver(session, "18.1", 300)))).toBe(
      "there is no blue/green deployment blue-to-18-1\n  fix: Make it first: toolkit rds upgrade create --to 18.1.",
    );
    expect(await failure(run((session) => createGreen(session, "18.1", "tuned")))).toBe(
      "the parameter group tuned is of the family postgres17, not postgres18\n" +
        "  fix: Name one of the new version, with rds.logical_replication = 1.",
    );
    const create = () => run((session) => createGreen(session, "18.1", "tuned-18"));
    const dry = await run((session) => createGreen(session, "18.1", "tuned-18"), true);
    const [asked] = dry.calls.filter(({ operation }) => operation === "CreateBlueGreenDeployment");
    expect(asked!.input).toEqual({
      BlueGreenDeploymentName: "blue-to-18-1",
      Source: (await one("blue")).DBInstanceArn,
      TargetEngineVersion: "18.1",
      TargetDBParameterGroupName: "tuned-18",
    });
    expect(writes((await create()).calls)).toEqual(["CreateBlueGreenDeployment"]);
    expect(writes((await create()).calls)).toEqual([]);
    const over = () => run((session) => switchOver(session, "18.1", 300));
    expect((await over()).lines).toEqual(["blue runs PostgreSQL 18.1; the old one is blue-old1"]);
    expect((await over()).lines).toEqual(["blue was switched over before"]);
    expect(await one("blue")).toMatchObject({ EngineVersion: "18.1" });
    const gone = () => run((session) => deleteDeployment(session, "18.1"));
    expect((await gone()).lines).toEqual(["the deployment is removed; blue-old1 is still paid for"]);
    expect((await gone()).lines).toEqual(["there is no deployment blue-to-18-1 (any more)"]);
    expect(await names()).toEqual(expect.arrayContaining(["blue", "blue-old1"]));
  });

  test("nothing is changed where the answer is no, or where nobody can be asked", async () => {
    const asked = (answer: "no" | "nobody to ask") =>
      failure(seen("blue", (session) => swap(session, "blue-old1"), { endpoint, confirm: async () => answer }));
    const before = await names();
    expect(await asked("no")).toBe("nothing was changed, as you asked");
    expect(await asked("nobody to ask")).toBe(
      "Rename blue to blue-old, and blue-old1 to blue? Clients are cut off meanwhile. " +
        "Nobody is at the terminal to say so\n  fix: Add --yes, or look at it first with --dry-run.",
    );
    expect(await names()).toEqual(before);
  });
});
