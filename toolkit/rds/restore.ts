import {
  type DBInstance,
  DescribeDBInstanceAutomatedBackupsCommand,
  RestoreDBInstanceFromDBSnapshotCommand,
  RestoreDBInstanceToPointInTimeCommand,
} from "@aws-sdk/client-rds";
import { UserError } from "../errors.ts";
import { describeInstance, findInstance, modifyInstance, waitForInstance } from "./instance.ts";
import { likeAfterwards, likeAtOnce } from "./likeness.ts";
import type { Session } from "./session.ts";

/** What to restore, and where to. */
export interface RestoreOptions {
  /** The identifier of the new instance. */
  to: string;
  /** A moment, the last one that can be restored, or a snapshot's name. */
  from: { time: Date } | "latest" | { snapshot: string };
  /** In place of the source's instance class. */
  instanceClass?: string;
}

// An instance made of a big backup takes hours.
const patience = 12 * 60;

/** By this tag a run that was cut off finds what it had begun. */
export const restoredTag = "postgres-from-code:restored";

/**
 * Restores a backup to a new instance, beside the one that is there, with the same class, network, parameters and protection.
 * Where that was begun before, it goes on.
 * @returns the new instance
 * @throws UserError where the moment cannot be restored, or another instance has that name
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html
 */
export async function restore(session: Session, options: RestoreOptions): Promise<DBInstance> {
  const { instance, say, dry } = session;
  const { to, from } = options;
  const source = await describeInstance(session);
  const mark = markOf(instance, from);
  const begun = await findInstance(session, to);
  if (begun) requireOurs(begun, mark);
  else {
    if (from !== "latest" && "time" in from) await requireRestorable(session, source, from.time);
    await session.confirm(`Make the new instance ${to} from ${mark}? It is paid for as long as it exists.`);
    await start(session, source, options, mark);
  }
  if (!dry)
    say(begun ? `the instance ${to} was begun before: going on` : `the instance ${to} is being made from ${mark}`);
  const there = await waitForInstance(session, to, { minutes: patience });
  const rest = likeAfterwards(source);
  const made = Object.keys(rest).length > 0 ? await modifyInstance(session, to, rest, { minutes: patience }) : there;
  if (!dry) say(`the instance ${to} is available at ${made.Endpoint?.Address}`);
  return made;
}

function markOf(instance: string, from: RestoreOptions["from"]): string {
  if (from === "latest") return `${instance}@latest`;
  return "snapshot" in from ? from.snapshot : `${instance}@${from.time.toISOString()}`;
}

function requireOurs({ DBInstanceIdentifier, TagList = [] }: DBInstance, mark: string): void {
  const found = TagList.find(({ Key }) => Key === restoredTag)?.Value;
  if (found === mark) return;
  throw new UserError(`there already is an instance ${DBInstanceIdentifier}`, {
    why: found ? `It was restored from ${found}, not from ${mark}.` : "It was not restored by this command.",
    fix: "Give another name with --to.",
  });
}

async function requireRestorable(session: Session, source: DBInstance, time: Date): Promise<void> {
  const asked = { DBInstanceIdentifier: session.instance };
  const { DBInstanceAutomatedBackups: backups = [] } = await session.rds.send(
    new DescribeDBInstanceAutomatedBackupsCommand(asked),
  );
  const { EarliestTime: earliest, LatestTime = source.LatestRestorableTime } = backups[0]?.RestoreWindow ?? {};
  const early = earliest !== undefined && time < earliest;
  const late = LatestTime !== undefined && time > LatestTime;
  if (!early && !late) return;
  throw new UserError(`${session.instance} cannot be restored to ${time.toISOString()}`, {
    why: early
      ? `Its backups begin at ${earliest.toISOString()}.`
      : `Its last restorable moment is ${LatestTime!.toISOString()}: AWS keeps the log every five minutes.`,
    fix: early ? "Take a snapshot from before (--snapshot)." : "Give an earlier --time, wait, or take --time latest.",
  });
}

async function start(session: Session, source: DBInstance, options: RestoreOptions, mark: string): Promise<void> {
  const { instance, rds } = session;
  const { to, from, instanceClass } = options;
  const like = {
    ...likeAtOnce(source),
    ...(instanceClass && { DBInstanceClass: instanceClass }),
    Tags: [{ Key: restoredTag, Value: mark }],
  };
  if (from !== "latest" && "snapshot" in from) {
    const asked = { DBInstanceIdentifier: to, DBSnapshotIdentifier: from.snapshot };
    await rds.send(new RestoreDBInstanceFromDBSnapshotCommand({ ...asked, ...like }));
    return;
  }
  await rds.send(
    new RestoreDBInstanceToPointInTimeCommand({
      SourceDBInstanceIdentifier: instance,
      TargetDBInstanceIdentifier: to,
      ...(from === "latest" ? { UseLatestRestorableTime: true } : { RestoreTime: from.time }),
      ...like,
    }),
  );
}
