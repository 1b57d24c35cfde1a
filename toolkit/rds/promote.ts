import { GetMetricStatisticsCommand } from "@aws-sdk/client-cloudwatch";
import { PromoteReadReplicaCommand } from "@aws-sdk/client-rds";
import { UserError } from "../errors.ts";
import { describeInstance, modifyInstance, requireServing, waitForInstance } from "./instance.ts";
import type { Session } from "./session.ts";

export interface PromoteOptions {
  /** Seconds behind the primary, above which it is refused; undefined promotes whatever is lost. */
  maxLag: number | undefined;
  /** Days that backups are kept: a replica has none of its own. */
  backupRetention: number;
  multiAz: boolean;
}

// It restarts, and makes its first backup.
const patience = 2 * 60;
const window = 10 * 60_000;

/**
 * Seconds that a replica may be behind unless told otherwise: where the primary writes nothing, RDS reports up to five minutes.
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PostgreSQL.Replication.ReadReplicas.Monitor.html
 */
export const usualLag = 300;

/**
 * How far a replica is behind, in seconds: the newest of CloudWatch's figures of the last ten minutes.
 * @returns undefined where there is none: then it does not replicate
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PostgreSQL.Replication.ReadReplicas.Monitor.html
 */
export async function readLag(session: Session): Promise<number | undefined> {
  const { Datapoints = [] } = await session.metrics.send(
    new GetMetricStatisticsCommand({
      Namespace: "AWS/RDS",
      MetricName: "ReplicaLag",
      Dimensions: [{ Name: "DBInstanceIdentifier", Value: session.instance }],
      StartTime: new Date(Date.now() - window),
      EndTime: new Date(),
      Period: 60,
      Statistics: ["Maximum"],
    }),
  );
  const newest = Datapoints.sort((one, other) => Number(other.Timestamp) - Number(one.Timestamp))[0]?.Maximum;
  // -1 is how RDS says that it does not know.
  return newest !== undefined && newest >= 0 ? newest : undefined;
}

/**
 * Makes a primary of the read replica, with backups and protection of its own. It cannot become a replica again. One that was
 * promoted before gets what it still lacks.
 * @throws UserError where it lags too much, or was never a replica
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ReadRepl.Promote.html
 */
export async function promote(session: Session, options: PromoteOptions): Promise<void> {
  const { instance, rds, say, dry } = session;
  const { maxLag, backupRetention, multiAz } = options;
  const replica = await describeInstance(session);
  const source = replica.ReadReplicaSourceDBInstanceIdentifier || undefined;
  const standsAlone = !dry && source === undefined;
  if (!standsAlone) requireServing(replica);
  if (!standsAlone && maxLag !== undefined) await requireCaughtUp(session, maxLag);
  await session.confirm(
    standsAlone
      ? `${instance} is no replica (any more). Set its backups, Multi-AZ and deletion protection?`
      : `Promote ${instance}, a replica of ${source}? It cannot become a replica again.`,
  );
  const name = { DBInstanceIdentifier: instance };
  if (!standsAlone) {
    await rds.send(new PromoteReadReplicaCommand({ ...name, BackupRetentionPeriod: backupRetention }));
    const ready = (now: typeof replica) => !now.ReadReplicaSourceDBInstanceIdentifier;
    await waitForInstance(session, instance, { minutes: patience, ready });
  }
  const change = { BackupRetentionPeriod: backupRetention, MultiAZ: multiAz, DeletionProtection: true };
  await modifyInstance(session, instance, change, { minutes: patience });
  if (!dry) say(`${instance} is a primary, with ${backupRetention} days of backups and deletion protection`);
}

/**
 * @param maxLag in seconds
 * @returns how far it is behind
 * @throws UserError where it is further behind, or nobody knows
 */
export async function requireCaughtUp(session: Session, maxLag: number): Promise<{ lag_seconds: number }> {
  const lag = await readLag(session);
  if (session.dry || (lag !== undefined && lag <= maxLag)) return { lag_seconds: lag ?? Number.NaN };
  throw new UserError(
    lag === undefined
      ? `how far ${session.instance} is behind is not known`
      : `${session.instance} is ${lag} s behind, more than ${maxLag} s`,
    {
      why: "What it has not received from its primary by now is lost when it is promoted.",
      fix: "Stop the writes and wait until it has caught up; where the primary is lost, add --accept-loss.",
    },
  );
}
