import * as pulumi from "@pulumi/pulumi";
import type { Config } from "../config.ts";
import type { LoginRole, Roles } from "../roles.ts";
import type { Server } from "../server/index.ts";
import type { Children } from "../server/rds/children.ts";
import { masterUser } from "../server/rds/password.ts";

/** How the operator enters the database: whose password is in which key of a secret, which is JSON. */
export interface Login {
  user: pulumi.Input<string>;
  /** What ECS takes for a secret of a container. */
  passwordFrom: pulumi.Input<string>;
}

export interface Logins {
  secretArn: pulumi.Output<string>;
  /** Changes the schema and owns the tables: partitions, vacuum, the history. */
  maintenance: Login;
  /** Only looks. */
  metrics: Login;
}

/**
 * With roles, the migrator's and the monitor's passwords, in a secret of the operator's own; without, the master user's, the
 * only one that there is.
 */
export function makeLogins(
  name: string,
  {
    server,
    roles,
    config,
    key,
  }: {
    server: Server;
    roles: Roles | undefined;
    config: Config;
    key: pulumi.Input<string> | undefined;
  },
  own: Children,
): Logins {
  if (!roles) {
    const secretArn = server.masterSecretArn!;
    const master = { user: masterUser, passwordFrom: keyOf(secretArn, "password") };
    return { secretArn, maintenance: master, metrics: master };
  }
  const secret = own.make("secret", name, {
    description: `Passwords of the roles that maintain and watch ${pulumi.getProject()} in stack ${pulumi.getStack()}`,
    ...(key && { kmsKeyId: key }),
  });
  const { connections } = roles;
  const passwords = connections.apply(({ migrator, monitor }) =>
    JSON.stringify({ migrator: migrator.password, monitor: monitor.password }),
  );
  const version = own.make("secretVersion", `${name}-${config.rolePasswordVersion}`, {
    secretId: secret.id,
    secretStringWo: pulumi.secret(passwords),
    secretStringWoVersion: config.rolePasswordVersion,
  });
  const login = (role: LoginRole): Login => ({
    user: pulumi.unsecret(connections.apply((all) => all[role].user)),
    passwordFrom: keyOf(version.secretId, role),
  });
  return { secretArn: secret.arn, maintenance: login("migrator"), metrics: login("monitor") };
}

/** One value of a secret: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html. */
const keyOf = (secretArn: pulumi.Input<string>, key: string) => pulumi.interpolate`${secretArn}:${key}::`;
