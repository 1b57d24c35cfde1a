import { CreateDBParameterGroupCommand, DescribeDBInstancesCommand } from "@aws-sdk/client-rds";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Connection } from "../../toolkit/connection.ts";
import { readPage } from "../../toolkit/runbook/parse.ts";
import { needsAwsOnly } from "../../toolkit/runbook/rdsStep.ts";
import { findMoto } from "../toolkit/backup/moto.ts";
import { startAccount } from "../toolkit/rds/support.ts";
import { run } from "../toolkit/runbook/support.ts";

const moto = findMoto();
// A machine without moto shows these as skipped, not as passed.
const here = moto ? describe : describe.skip;
// These pages work without a database.
const none = {} as Connection;
const where = ["instance=investment", "region=eu-central-1"];

/** The calls in what a run said, a JSON line each. */
const callsIn = (said: string): string[] =>
  Array.from(said.matchAll(/^ +(\{"service".*\})$/gm), ([, line]) => JSON.parse(line!).operation);

const pages: [string, string[], string[]][] = [
  ["rds-restore-point-in-time", ["to=restored", "time=latest"], ["RestoreDBInstanceToPointInTime", "ModifyDBInstance"]],
  ["rds-promote-replica", [], ["PromoteReadReplica", "ModifyDBInstance"]],
  ["rds-storage-full", ["storage=200"], ["ModifyDBInstance"]],
  ["rds-rotate-password", [], ["ModifyDBInstance"]],
];

describe("without credentials for AWS", () => {
  const saved = { ...process.env };
  const names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ROLE_ARN"];
  beforeAll(() => {
    for (const name of names) delete process.env[name];
    const nowhere = "/nonexistent";
    Object.assign(process.env, {
      ...{ AWS_SHARED_CREDENTIALS_FILE: nowhere, AWS_CONFIG_FILE: nowhere, AWS_EC2_METADATA_DISABLED: "true" },
    });
  });
  afterAll(() => {
    process.env = saved;
  });

  test.each(pages)("the dry run of %s shows every call that it would make", async (name, set, writes) => {
    const page = await readPage(name);
    const { record, said } = await run(page, none, { dryRun: true, set: [...where, ...set] });
    expect([record.result, record.database]).toEqual(["dry run", "none"]);
    expect(callsIn(said).filter((operation) => !/^(Describe|Get)/.test(operation))).toEqual(writes);
    expect(said).toContain("no credentials for AWS: <what it would tell> stands in angle brackets");
  });
});

test("a page that asks AWS only needs no database once it knows the instance and its region", async () => {
  const page = await readPage("rds-storage-full");
  expect(needsAwsOnly(page, { instance: "investment", region: "eu-central-1" })).toBe(true);
  expect(needsAwsOnly(page, { instance: "investment", region: "" })).toBe(false);
  expect(needsAwsOnly(await readPage("rds-major-upgrade"), { instance: "investment", region: "eu-central-1" })).toBe(
    false,
  );
});

here("on an instance, as moto's server plays it", () => {
  let account: Awaited<ReturnType<typeof startAccount>>;
  const one = async (name: string) =>
    (await account.rds.send(new DescribeDBInstancesCommand({ DBInstanceIdentifier: name }))).DBInstances![0]!;
  // As the stack's outputs say it.
  const context = () => ({
    backup: {
      ...{ kind: "rds" as const, instanceIdentifier: "investment", region: "eu-central-1" },
      endpoint: account.endpoint,
    },
  });

  beforeAll(async () => {
    account = await startAccount(moto!);
    const group = { DBParameterGroupName: "tuned", DBParameterGroupFamily: "postgres17", Description: "a test" };
    await account.rds.send(new CreateDBParameterGroupCommand(group));
    await account.makeInstance("investment", {
      DBParameterGroupName: "tuned",
      VpcSecurityGroupIds: ["sg-1"],
      DeletionProtection: true,
    });
  });

  test("rds-restore-point-in-time: the copy is made, like the old one; the instance is that of the stack", async () => {
    const page = await readPage("rds-restore-point-in-time");
    const set = ["to=restored", "time=latest"];
    const dry = await run(page, none, { dryRun: true, context: context(), set });
    expect([dry.record.result, dry.record.steps.map(({ result }) => result)]).toEqual([
      "dry run",
      ["done", "shown", "shown"],
    ]);
    const { record } = await run(page, none, { context: context(), set });
    expect([record.result, (await one("restored")).DeletionProtection]).toEqual(["done", true]);
    const unknown = await run(page, none, { context: context(), set: [...set, "instance=elsewhere"] });
    expect([unknown.record.result, unknown.record.steps.length]).toEqual(["stopped", 1]);
  });

  test("rds-storage-full: a size that AWS would refuse stops it, also in the dry run; a bigger one is given", async () => {
    const page = await readPage("rds-storage-full");
    const small = await run(page, none, { dryRun: true, context: context(), set: ["storage=50"] });
    expect([small.record.result, small.record.steps.length]).toEqual(["stopped", 2]);
    const { record } = await run(page, none, { context: context(), set: ["storage=200"] });
    expect([record.result, (await one("investment")).AllocatedStorage]).toEqual(["done", 200]);
  });

  test("rds-rotate-password: an own password without its secret stops it", async () => {
    const { record } = await run(await readPage("rds-rotate-password"), none, { context: context() });
    expect([record.result, record.steps.at(-1)!.output.split("\n")[0]]).toEqual([
      "stopped",
      "error: RDS does not manage the password of investment",
    ]);
  });
});
