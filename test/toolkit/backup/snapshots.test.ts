import {
  CreateDBInstanceCommand,
  CreateDBSnapshotCommand,
  DescribeDBInstancesCommand,
  RDSClient,
} from "@aws-sdk/client-rds";
import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  type Backup,
  createBackup,
  listBackups,
  pruneBackups,
  restoreBackup,
  verifyBackup,
} from "../../../toolkit/backup/backups.ts";
import { toTags } from "../../../toolkit/backup/tags.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { findMoto, startMoto } from "./moto.ts";
import { afterwards, failure, listener } from "./support.ts";

const moto = findMoto();
// A machine without moto shows these as skipped, not as passed.
const here = moto ? describe : describe.skip;

here("an RDS instance, as moto's server plays it", () => {
  let database: TestDatabase;
  let target: { kind: "rds"; instanceIdentifier: string; region: string; endpoint: string };
  let client: RDSClient;
  let backup: Backup;

  const instances = async () =>
    (await client.send(new DescribeDBInstancesCommand({}))).DBInstances!.map(
      ({ DBInstanceIdentifier }) => DBInstanceIdentifier,
    );

  beforeAll(async () => {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: "moto", AWS_SECRET_ACCESS_KEY: "moto" });
    database = await createDatabase();
    afterwards(() => database.drop());
    await database.client.query("create table stocks (id int); insert into stocks select generate_series(1, 30)");
    const endpoint = await startMoto(moto!, database.connection);
    target = { kind: "rds", instanceIdentifier: "investment", region: "eu-central-1", endpoint };
    client = new RDSClient({ region: target.region, endpoint });
    afterwards(async () => client.destroy());
    await client.send(
      new CreateDBInstanceCommand({
        DBInstanceIdentifier: "investment",
        DBInstanceClass: "db.t4g.micro",
        Engine: "postgres",
        MasterUsername: "postgres",
        MasterUserPassword: "not used here",
        AllocatedStorage: 20,
      }),
    );
  });

  test("it is backed up by a snapshot that knows what it holds", async () => {
    const { lines, say } = listener();
    backup = await createBackup(database.connection, target, { reason: "before a test (the first)", say });
    expect(backup).toMatchObject({ method: "snapshot", bytes: 20 * 1024 ** 3, rows: { "public.stocks": 30 } });
    expect(backup.id).toMatch(/^investment-backup-\d{8}t\d{6}z-[0-9a-f]{4}$/);
    expect(lines).toEqual([
      `snapshot ${backup.id} of the instance investment is being made`,
      `snapshot ${backup.id} is available`,
    ]);
    // What a tag may not hold is replaced.
    expect(await listBackups(target)).toEqual([{ ...backup, reason: "before a test -the first-" }]);
  });

  test("it is verified on a temporary instance, which goes afterwards", async () => {
    expect(await failure(verifyBackup(target, backup.id, { say() {}, connection: database.connection }))).toBe(
      "a temporary instance costs money, and --yes was not given\n" +
        "  why: RDS restores a snapshot to an instance of its own, which is paid for as long as it exists.\n" +
        "  fix: Add --yes.",
    );
    const options = { say() {}, connection: database.connection, yes: true };
    // One that a killed verification left is used, and goes as well.
    await client.send(
      new CreateDBInstanceCommand({
        DBInstanceIdentifier: `verify-${backup.id}`,
        DBInstanceClass: "db.t4g.micro",
        Engine: "postgres",
        AllocatedStorage: 20,
      }),
    );
    const verified = await verifyBackup(target, backup.id, options);
    expect(verified).toMatchObject({ id: backup.id, tables: 1, rows: 30, fingerprint: backup.fingerprint });
    expect(await instances()).toEqual(["investment"]);
    // The database behind the address stands for the copy: one that lost rows does not pass.
    await database.client.query("delete from stocks where id > 20");
    expect(await failure(verifyBackup(target, backup.id, options))).toContain("public.stocks has 20 rows, not 30");
    expect(await instances()).toEqual(["investment"]);
  });

  test("it is restored to a new instance", async () => {
    const restored = await restoreBackup(database.connection, target, backup.id, {
      instance: "investment-restored",
      yes: true,
      say() {},
    });
    expect(restored.made).toBe("investment-restored");
    expect((await instances()).sort()).toEqual(["investment", "investment-restored"]);
  });

  test("old ones go, and other people's stay; one that was never finished is no backup", async () => {
    const by = (name: string, Tags: ReturnType<typeof toTags>) =>
      client.send(
        new CreateDBSnapshotCommand({ DBInstanceIdentifier: "investment", DBSnapshotIdentifier: name, Tags }),
      );
    await by("somebody-elses", []);
    await by("killed-yesterday", toTags({ startedAt: new Date(Date.now() - 30 * 3_600_000).toISOString() }));
    await by("still-being-made", toTags({ startedAt: new Date().toISOString() }));
    const second = await createBackup(database.connection, target, { reason: "second", say() {} });
    expect((await listBackups(target)).map(({ id }) => id)).toEqual([backup.id, second.id]);
    const removed = await pruneBackups(target, { count: 1, days: 14, say() {} });
    expect(removed).toEqual(["killed-yesterday", backup.id]);
    expect((await listBackups(target)).map(({ id }) => id)).toEqual([second.id]);
    expect(await pruneBackups(target, { count: 1, days: 14, say() {} })).toEqual([]);
  });

  test("an instance that is not there is named", async () => {
    const other = { ...target, instanceIdentifier: "elsewhere" };
    const message = await failure(createBackup(database.connection, other, { reason: "none", say() {} }));
    expect(message).toContain("AWS refuses what was asked of the instance elsewhere in eu-central-1\n  why: ");
    expect(message).toContain("  fix: Correct the instance's identifier, or the region.");
    expect(
      await failure(verifyBackup(target, "none", { say() {}, connection: database.connection, yes: true })),
    ).toMatch(/^there is no backup none\n/);
  });
});
