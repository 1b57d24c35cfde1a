import type { DBInstance, RDSClient } from "@aws-sdk/client-rds";
import { withClient } from "../connection.ts";
import { UserError } from "../errors.ts";
import { fingerprint } from "../migrate/fingerprint.ts";
import { count } from "../terminal.ts";
import type { VerifyOptions } from "./backups.ts";
import { cleaningUp } from "./interrupt.ts";
import { describeInstance, type RdsTarget, type Sdk, waitForInstance, withRds } from "./rds.ts";
import type { Restored, RestoreOptions } from "./restore.ts";
import { countRows } from "./rows.ts";
import { findSnapshot, requireYes } from "./snapshots.ts";
import { requireEqual, type Verified } from "./verify.ts";

const longestIdentifier = 63;

/**
 * Makes a new instance from a snapshot, with the class, network and parameters of the one that it was taken of.
 * @throws UserError without `instance` and `yes`
 */
export async function restoreSnapshot(target: RdsTarget, id: string, options: RestoreOptions): Promise<Restored> {
  const { instance, say } = options;
  if (!instance)
    throw new UserError(`${id} is a snapshot: the instance to make of it is not named`, {
      why: "RDS restores a snapshot to a new instance, never over one.",
      fix: `Name it: toolkit backups restore ${id} --instance ${target.instanceIdentifier}-restored --yes.`,
      exitCode: 2,
    });
  return withRds(target, async (client, sdk) => {
    const backup = await findSnapshot(client, sdk, target, id);
    const next = [
      `aws rds wait db-instance-available --db-instance-identifier ${instance}`,
      `# compare, then give the application the new address, or rename the instances (aws rds modify-db-instance --new-db-instance-identifier …)`,
    ];
    if (options.dryRun) {
      say(`would restore ${backup.id} to the new instance ${instance}`);
      return { id, next };
    }
    requireYes(options.yes, "a new instance");
    await startInstance(client, sdk, { target, snapshot: id, instance, multiAz: true });
    say(`the instance ${instance} is being made from ${id}`);
    const made = await waitForInstance(client, sdk, instance, say);
    say(`the instance ${instance} is available at ${made.Endpoint?.Address ?? "an address that AWS will tell"}`);
    return { id, made: instance, next: next.slice(1) };
  });
}

/**
 * Restores a snapshot to a temporary instance, compares the schema and the rows there, and removes the instance, also
 * where the comparison fails.
 * @throws UserError without `yes`, or where what was restored is not what was recorded
 */
export async function verifySnapshot(target: RdsTarget, id: string, options: VerifyOptions): Promise<Verified> {
  const { connection, say } = options;
  requireYes(options.yes, "a temporary instance");
  if (!connection) throw new UserError("a snapshot is verified by asking its copy, and there is no login to do so");
  return withRds(target, async (client, sdk) => {
    const backup = await findSnapshot(client, sdk, target, id);
    const instance = `verify-${id}`.slice(0, longestIdentifier).replace(/-+$/, "");
    await startInstance(client, sdk, { target, snapshot: id, instance, multiAz: false }).catch((error: Error) => {
      // A verification that was killed left it, made from the same snapshot.
      if (!error.name.startsWith("DBInstanceAlreadyExists")) throw error;
    });
    say(`the temporary instance ${instance} is being made from ${id}`);
    const compare = async (): Promise<Verified> => {
      const made = await waitForInstance(client, sdk, instance, say);
      const address = { host: made.Endpoint?.Address ?? "", port: made.Endpoint?.Port ?? connection.port };
      const found = await withClient({ ...connection, ...address }, {}, async (session) => ({
        fingerprint: await fingerprint(session),
        rows: await countRows(session, { say }),
      }));
      requireEqual(backup, found);
      const rows = Object.values(found.rows).reduce((sum, one) => sum + one, 0);
      const tables = Object.keys(backup.rows).length;
      say(`restored: tables ${count(tables)}, rows ${count(rows)}; the schema is the one that was recorded`);
      return { id, tables, rows, fingerprint: found.fingerprint };
    };
    return cleaningUp(compare, async () => {
      const name = { DBInstanceIdentifier: instance };
      await client.send(
        new sdk.DeleteDBInstanceCommand({ ...name, SkipFinalSnapshot: true, DeleteAutomatedBackups: true }),
      );
      say(`the temporary instance ${instance} is removed`);
    });
  });
}

async function startInstance(
  client: RDSClient,
  sdk: Sdk,
  how: { target: RdsTarget; snapshot: string; instance: string; multiAz: boolean },
): Promise<void> {
  const source = await describeInstance(client, sdk, how.target.instanceIdentifier);
  await client.send(
    new sdk.RestoreDBInstanceFromDBSnapshotCommand({
      DBInstanceIdentifier: how.instance,
      DBSnapshotIdentifier: how.snapshot,
      ...likeSource(source),
      MultiAZ: how.multiAz && Boolean(source.MultiAZ),
      DeletionProtection: false,
      CopyTagsToSnapshot: false,
    }),
  );
}

function likeSource(source: DBInstance) {
  return {
    DBInstanceClass: source.DBInstanceClass,
    DBSubnetGroupName: source.DBSubnetGroup?.DBSubnetGroupName,
    VpcSecurityGroupIds: source.VpcSecurityGroups?.flatMap(({ VpcSecurityGroupId }) => VpcSecurityGroupId ?? []),
    DBParameterGroupName: source.DBParameterGroups?.[0]?.DBParameterGroupName,
    PubliclyAccessible: source.PubliclyAccessible,
    Port: source.Endpoint?.Port,
  };
}
