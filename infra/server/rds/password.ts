import { randomBytes } from "node:crypto";
import type { rds } from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { Config } from "../../config.ts";
import type { ArgsOf, Children } from "./children.ts";
import { aws } from "./sdk.ts";

export const masterUser = "postgres";

/** How the master user's password is made and kept, and how it is read. */
export interface MasterPassword {
  /** What the instance takes for it. */
  args: Partial<ArgsOf<"instance">>;
  /** The secret in Secrets Manager that holds it. */
  secretArn(instance: rds.Instance): pulumi.Output<string>;
  /** Reads it from Secrets Manager. */
  read(instance: rds.Instance): pulumi.Output<string>;
}

/**
 * Managed: RDS makes the password, keeps it in Secrets Manager and rotates it every seven days. Neither read replicas nor
 * blue/green updates can be had with it
 * (https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html#rds-secrets-manager-limitations).
 */
export function managedPassword(keyArn: pulumi.Input<string> | undefined): MasterPassword {
  return {
    args: { manageMasterUserPassword: true, ...(keyArn && { masterUserSecretKmsKeyId: keyArn }) },
    secretArn: managedSecret,
    read: (instance) => secretString(managedSecret(instance)).apply(passwordIn),
  };
}

/**
 * Our own: a random password that is written to a secret once for each `passwordVersion`. What the instance and the
 * connection take is read from the secret, so that a password changed there by hand or by a rotation is the one in use.
 */
export function ownPassword(
  name: string,
  config: Config,
  keyArn: pulumi.Input<string> | undefined,
  own: Children,
): MasterPassword {
  const { passwordVersion } = config;
  const secret = own.make("secret", name, {
    description: `Master user ${masterUser} of ${pulumi.getProject()} in stack ${pulumi.getStack()}`,
    ...(keyArn && { kmsKeyId: keyArn }),
  });
  // Base64url: RDS refuses /, ', ", @ and blanks. Its 32 characters hold 192 bits.
  const password = randomBytes(24).toString("base64url");
  const version = own.make(
    "secretVersion",
    `${name}-${passwordVersion}`,
    {
      secretId: secret.id,
      secretStringWo: pulumi.secret(JSON.stringify({ username: masterUser, password })),
      secretStringWoVersion: passwordVersion,
    },
    // Every run makes another random password; only the first of a version is kept.
    { ignoreChanges: ["secretStringWo"] },
  );
  const current = pulumi.secret(secretString(version.secretId).apply(passwordIn));
  return {
    args: { passwordWo: current, passwordWoVersion: passwordVersion },
    secretArn: () => secret.arn,
    read: () => current,
  };
}

const managedSecret = (instance: rds.Instance) => instance.masterUserSecrets[0]!.secretArn;

// While the secret is not there its id is unknown, and the SDK does not ask.
const secretString = (secretId: pulumi.Input<string>) =>
  aws().secretsmanager.getSecretVersionOutput({ secretId }).secretString;

const passwordIn = (json: string) => (JSON.parse(json) as { password: string }).password;
