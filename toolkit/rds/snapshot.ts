import { CreateDBSnapshotCommand, DescribeDBSnapshotsCommand } from "@aws-sdk/client-rds";
import { describeInstance, requireServing } from "./instance.ts";
import type { Session } from "./session.ts";
import { waitFor } from "./wait.ts";

// The first snapshot of a big instance takes hours.
const patience = 12 * 60;

/**
 * Makes a snapshot of the instance and waits for it. One of that name that is there, or being made, is taken.
 * @param name at most 255 letters, digits and hyphens
 */
export async function snapshot(session: Session, name: string): Promise<void> {
  const { instance, rds, say } = session;
  requireServing(await describeInstance(session));
  await session.confirm(`Make the snapshot ${name} of ${instance}?`);
  const asked = { DBInstanceIdentifier: instance, DBSnapshotIdentifier: name };
  await rds.send(new CreateDBSnapshotCommand(asked)).catch((error: Error) => {
    if (!/^DBSnapshotAlreadyExists/.test(error.name)) throw error;
    say(`the snapshot ${name} is there already`);
  });
  await waitFor(session, `snapshot ${name}`, patience, async () => {
    const { DBSnapshots = [] } = await rds.send(new DescribeDBSnapshotsCommand({ DBSnapshotIdentifier: name }));
    const { Status = "", PercentProgress = 0 } = DBSnapshots[0] ?? {};
    return {
      status: Status === "creating" ? `${Status}, ${PercentProgress} %` : Status,
      done: Status === "available" || undefined,
    };
  });
  if (!session.dry) say(`the snapshot ${name} is available`);
}
