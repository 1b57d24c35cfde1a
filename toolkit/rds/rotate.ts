import type { DBInstance } from "@aws-sdk/client-rds";
import {
  DescribeSecretCommand,
  GetRandomPasswordCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  UpdateSecretVersionStageCommand,
} from "@aws-sdk/client-secrets-manager";
import { UserError } from "../errors.ts";
import { describeInstance, modifyInstance, requireServing } from "./instance.ts";
import type { Session } from "./session.ts";
import { waitFor } from "./wait.ts";

const patience = 30;
// RDS refuses /, ', ", @ and blanks; letters and digits need no quoting anywhere.
const randomPassword = { PasswordLength: 32, ExcludePunctuation: true, RequireEachIncludedType: true };
const [current, pending] = ["AWSCURRENT", "AWSPENDING"];

/**
 * Changes the master password: of a managed one by RDS, of a secret with a rotation of its own by that, and of any other
 * secret here. It never passes a terminal, a log or a command line.
 * @param secretId the name or ARN of our own secret; left out for a managed one
 * @throws UserError where it is not told which secret has the password
 */
export async function rotate(session: Session, secretId?: string): Promise<void> {
  const instance = await describeInstance(session);
  requireServing(instance);
  if (secretId === undefined) return rotateManaged(session, instance);
  if (instance.MasterUserSecret)
    throw new UserError(`the password of ${session.instance} is managed: it is not in ${secretId}`, {
      fix: "Leave out --secret.",
      exitCode: 2,
    });
  await session.confirm(`Change the master password of ${session.instance}? New sessions need the new one at once.`);
  const { RotationEnabled, VersionIdsToStages = {} } = await session.secrets.send(
    new DescribeSecretCommand({ SecretId: secretId }),
  );
  if (RotationEnabled) await rotateByItself(session, secretId, VersionIdsToStages);
  else await rotateHere(session, secretId, VersionIdsToStages);
  if (!session.dry) session.say(`the master password of ${session.instance} is changed, and in ${secretId}`);
}

/** @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html#rds-secrets-manager-rotate-instance */
async function rotateManaged(session: Session, instance: DBInstance): Promise<void> {
  if (!instance.MasterUserSecret && !session.dry)
    throw new UserError(`RDS does not manage the password of ${session.instance}`, {
      why: "It is in a secret of your own.",
      fix: "Name the secret: --secret NAME-OR-ARN.",
      exitCode: 2,
    });
  await session.confirm(`Change the master password of ${session.instance}? New sessions need the new one at once.`);
  await modifyInstance(
    session,
    session.instance,
    { RotateMasterUserPassword: true },
    {
      minutes: patience,
      ready: ({ MasterUserSecret }) => MasterUserSecret?.SecretStatus === "active",
    },
  );
  if (!session.dry) session.say(`RDS has changed the password in ${instance.MasterUserSecret?.SecretArn}`);
}

type Stages = Record<string, string[]>;
const holderOf = (stages: Stages, stage: string) => Object.keys(stages).find((id) => stages[id]?.includes(stage));

async function rotateByItself({ secrets, ...session }: Session, SecretId: string, before: Stages): Promise<void> {
  await secrets.send(new RotateSecretCommand({ SecretId }));
  await waitFor({ secrets, ...session }, `rotation of ${SecretId}`, patience, async () => {
    const { VersionIdsToStages: stages = {} } = await secrets.send(new DescribeSecretCommand({ SecretId }));
    const changed = holderOf(stages, current) !== holderOf(before, current);
    return { status: changed ? "changed" : "rotating", done: changed || undefined };
  });
}

/**
 * First the secret, as pending; then the instance; then the pending version becomes the current one. Cut off anywhere, the
 * password that the instance has is in one of the two, and the next run goes on with the pending one.
 */
async function rotateHere(session: Session, SecretId: string, stages: Stages): Promise<void> {
  const { secrets, instance, say, dry } = session;
  const [now, begun] = [holderOf(stages, current), holderOf(stages, pending)];
  let version = begun !== now ? begun : undefined;
  if (version) say("a rotation was begun before: going on with its password");
  version ??= await storePending(session, SecretId);
  const { SecretString = "{}" } = await secrets.send(new GetSecretValueCommand({ SecretId, VersionId: version }));
  const { password = "" } = JSON.parse(SecretString) as { password?: string };
  if (!password && !dry) throw new UserError(`the pending version of ${SecretId} has no password in it`);
  await modifyInstance(session, instance, { MasterUserPassword: password }, { minutes: patience });
  const move = { SecretId, VersionStage: current, MoveToVersionId: version, RemoveFromVersionId: now };
  await secrets.send(new UpdateSecretVersionStageCommand(move));
  await secrets.send(
    new UpdateSecretVersionStageCommand({ SecretId, VersionStage: pending, RemoveFromVersionId: version }),
  );
}

async function storePending({ secrets }: Session, SecretId: string): Promise<string> {
  const { SecretString = "{}" } = await secrets.send(new GetSecretValueCommand({ SecretId, VersionStage: current }));
  const { RandomPassword } = await secrets.send(new GetRandomPasswordCommand(randomPassword));
  const kept = JSON.parse(SecretString) as object;
  const { VersionId = "<the pending version>" } = await secrets.send(
    new PutSecretValueCommand({
      SecretId,
      SecretString: JSON.stringify({ ...kept, password: RandomPassword }),
      VersionStages: [pending!],
    }),
  );
  return VersionId;
}
