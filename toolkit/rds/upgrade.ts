import {
  type BlueGreenDeployment,
  CreateBlueGreenDeploymentCommand,
  type DBInstance,
  DeleteBlueGreenDeploymentCommand,
  DescribeBlueGreenDeploymentsCommand,
  DescribeDBParameterGroupsCommand,
  SwitchoverBlueGreenDeploymentCommand,
} from "@aws-sdk/client-rds";
import { UserError } from "../errors.ts";
import { describeInstance, requireServing } from "./instance.ts";
import type { Session } from "./session.ts";
import { waitFor } from "./wait.ts";

// The copy is made of a snapshot and upgraded; on a big instance that takes most of a day.
const copyPatience = 24 * 60;
const switchPatience = 2 * 60;

/**
 * Makes a copy ("green") of the instance ("blue") that runs another major version and follows it by logical replication.
 * Nothing is switched. Where that was begun before, it goes on.
 * @param version as 18.1
 * @param parameterGroup of the new version's family
 * @throws UserError where the instance does not have what a blue/green deployment needs
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/blue-green-deployments-creating.html
 */
export async function createGreen(session: Session, version: string, parameterGroup: string): Promise<void> {
  const { instance, rds, say, dry } = session;
  const source = await describeInstance(session);
  let deployment = await findDeployment(session, version);
  if (!deployment) {
    requirePrepared(source);
    await requireFamily(session, parameterGroup, `postgres${version.split(".")[0]}`);
    await session.confirm(
      `Make a copy of ${instance} with PostgreSQL ${version}? It is paid for as long as it exists.`,
    );
    const { BlueGreenDeployment } = await rds.send(
      new CreateBlueGreenDeploymentCommand({
        BlueGreenDeploymentName: nameOf(instance, version),
        Source: source.DBInstanceArn,
        TargetEngineVersion: version,
        TargetDBParameterGroupName: parameterGroup,
      }),
    );
    deployment = BlueGreenDeployment ?? {};
  } else if (!dry) say(`it was begun before, and is ${deployment.Status}`);
  const ready = await waitForStatus(session, deployment, /^(AVAILABLE|SWITCHOVER_COMPLETED)$/, copyPatience);
  if (!dry) say(`the copy is ${ready.Target} (${ready.Status})`);
}

/**
 * Makes the copy take over the instance's name. Writes stop meanwhile, for about a minute; if AWS cannot do it in `seconds`, it
 * undoes all and the instance stays what it was. What is written afterwards is not in the old instance, NAME-old1.
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/blue-green-deployments-switching.html
 */
export async function switchOver(session: Session, version: string, seconds: number): Promise<void> {
  const { instance, rds, say, dry } = session;
  const deployment = await requireDeployment(session, version);
  const id = deployment.BlueGreenDeploymentIdentifier;
  if (deployment.Status === "SWITCHOVER_COMPLETED") say(`${instance} was switched over before`);
  else {
    await session.confirm(`Switch ${instance} over to PostgreSQL ${version}? Its writes stop for a while.`);
    // One that was cut off is being switched: asking again would be refused.
    if (deployment.Status !== "SWITCHOVER_IN_PROGRESS")
      await rds.send(
        new SwitchoverBlueGreenDeploymentCommand({ BlueGreenDeploymentIdentifier: id, SwitchoverTimeout: seconds }),
      );
    await waitForStatus(session, deployment, /^SWITCHOVER_COMPLETED$/, switchPatience);
    if (!dry) say(`${instance} runs PostgreSQL ${version}; the old one is ${instance}-old1`);
  }
}

/**
 * Removes the deployment: after the switchover only the tie between the two, before it the copy as well.
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/blue-green-deployments-deleting.html
 */
export async function deleteDeployment(session: Session, version: string): Promise<void> {
  const { instance, rds, say, dry } = session;
  const deployment = await findDeployment(session, version);
  if (!deployment && !dry) {
    say(`there is no deployment ${nameOf(instance, version)} (any more)`);
    return;
  }
  const switched = deployment?.Status === "SWITCHOVER_COMPLETED";
  await session.confirm(
    switched ? `Remove the deployment? Both instances stay.` : `Remove the deployment, and the copy with it?`,
  );
  const id = idOf(deployment, instance, version);
  await rds.send(
    // AWS takes no DeleteTarget after a switchover: the target is the database by then.
    new DeleteBlueGreenDeploymentCommand({
      BlueGreenDeploymentIdentifier: id,
      ...(!switched && { DeleteTarget: true }),
    }),
  );
  if (!dry)
    say(switched ? `the deployment is removed; ${instance}-old1 is still paid for` : "the copy is being removed");
}

// A name of its own for each upgrade, so that a run which was cut off finds what it had begun.
const nameOf = (instance: string, version: string) =>
  `${instance.slice(0, 40).replace(/-$/, "")}-to-${version.replace(".", "-")}`;

const idOf = (deployment: BlueGreenDeployment | undefined, instance: string, version: string) =>
  deployment?.BlueGreenDeploymentIdentifier ?? `<id of ${nameOf(instance, version)}>`;

async function findDeployment(session: Session, version: string): Promise<BlueGreenDeployment | undefined> {
  const Filters = [{ Name: "blue-green-deployment-name", Values: [nameOf(session.instance, version)] }];
  const { BlueGreenDeployments = [] } = await session.rds.send(new DescribeBlueGreenDeploymentsCommand({ Filters }));
  return BlueGreenDeployments[0];
}

async function requireDeployment(session: Session, version: string): Promise<BlueGreenDeployment> {
  const { instance, dry } = session;
  const found = await findDeployment(session, version);
  if (!found && !dry)
    throw new UserError(`there is no blue/green deployment ${nameOf(instance, version)}`, {
      fix: `Make it first: toolkit rds upgrade create --to ${version}.`,
    });
  const fine = /^(AVAILABLE|SWITCHOVER_IN_PROGRESS|SWITCHOVER_COMPLETED|SWITCHOVER_FAILED)$/;
  if (found && !dry && !fine.test(found.Status ?? ""))
    throw new UserError(`the copy is ${found.Status}: it cannot take over yet`, {
      ...(found.StatusDetails && { why: found.StatusDetails }),
      fix: `Wait for it: toolkit rds upgrade create --to ${version}.`,
    });
  return found ?? { BlueGreenDeploymentIdentifier: idOf(undefined, instance, version) };
}

async function waitForStatus(
  session: Session,
  { BlueGreenDeploymentIdentifier: id = "<id of the new deployment>" }: BlueGreenDeployment,
  wanted: RegExp,
  minutes: number,
): Promise<BlueGreenDeployment> {
  return waitFor(session, `blue/green deployment ${id}`, minutes, async () => {
    const asked = new DescribeBlueGreenDeploymentsCommand({ BlueGreenDeploymentIdentifier: id });
    const deployment = (await session.rds.send(asked)).BlueGreenDeployments?.[0] ?? {};
    const { Status = "", StatusDetails, Tasks = [] } = deployment;
    const ended = Tasks.filter(({ Status }) => Status === "COMPLETED").length;
    const status = StatusDetails && /FAILED|INVALID/.test(Status) ? `${Status}: ${StatusDetails}` : Status;
    return {
      status: Status === "PROVISIONING" ? `${status}, ${ended} of ${Tasks.length} tasks` : status,
      done: session.dry || wanted.test(Status) ? deployment : undefined,
    };
  });
}

/**
 * What can be told without asking the database; the runbook asks that too.
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/blue-green-deployments-considerations.html
 */
function requirePrepared(source: DBInstance): void {
  requireServing(source);
  const group = source.DBParameterGroups?.[0];
  const obstacles = [
    source.MasterUserSecret && "Secrets Manager manages its master password: set masterPassword to own, and run up",
    source.BackupRetentionPeriod === 0 && "it keeps no automated backups: set backupRetention, and run up",
    source.ReadReplicaSourceDBInstanceIdentifier && "it is a read replica: upgrade its primary",
    group?.ParameterApplyStatus === "pending-reboot" &&
      `its parameter group ${group.DBParameterGroupName} waits for a restart: restart it in a quiet hour`,
  ].filter((obstacle) => typeof obstacle === "string");
  if (obstacles.length === 0) return;
  throw new UserError(`${source.DBInstanceIdentifier} cannot be upgraded by a blue/green deployment yet`, {
    why: obstacles.join("; "),
  });
}

async function requireFamily(session: Session, parameterGroup: string, family: string): Promise<void> {
  const asked = new DescribeDBParameterGroupsCommand({ DBParameterGroupName: parameterGroup });
  const found = (await session.rds.send(asked)).DBParameterGroups?.[0]?.DBParameterGroupFamily;
  if (found === undefined || found === family) return;
  throw new UserError(`the parameter group ${parameterGroup} is of the family ${found}, not ${family}`, {
    fix: "Name one of the new version, with rds.logical_replication = 1.",
    exitCode: 2,
  });
}
