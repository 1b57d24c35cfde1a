import type * as postgresql from "@pulumi/postgresql";
import * as pulumi from "@pulumi/pulumi";
import { type Connection, connectionString } from "../toolkit/connection.ts";
import type { Config } from "./config.ts";
import { RolePasswords } from "./roles/passwords.ts";
import { providerArgs } from "./roles/provider.ts";
import { RoleRemainder } from "./roles/remainder.ts";
import { type DatabaseRole, everybody, type RoleName, roleNameOn, rolesWith } from "./roles/table.ts";
import type { Server } from "./server/index.ts";
import { type ArgsOf, Children, type Kind, type Transforms } from "./server/rds/children.ts";

/** The roles that log in. */
export type LoginRole = Exclude<RoleName, "owner">;

const schema = "public";

/** The roles of infra/roles/table.ts on a server, and its extensions, through Pulumi's provider for PostgreSQL. */
export class Roles extends pulumi.ComponentResource {
  /** How each role that logs in enters the database; a secret. */
  readonly connections: pulumi.Output<Record<LoginRole, Connection>>;

  /** @param transforms changes to the arguments and options of child resources, by kind */
  constructor(
    name: string,
    server: Server & pulumi.Resource,
    config: Config,
    transforms: Transforms = {},
    options?: pulumi.ComponentResourceOptions,
  ) {
    super("database:roles:Roles", name, {}, options);
    const child = { parent: this };
    const roles = rolesWith(config.roleLimits);
    const logins = roles.filter(({ login }) => login);
    const names = Object.fromEntries(roles.map((role) => [role.name, roleNameOn(prefixOf(config), role.name)]));
    const admin = server.connection;
    const database = pulumi.unsecret(admin.apply((connection) => connection.database));

    const version = config.rolePasswordVersion;
    const { passwords } = new RolePasswords(name, { roles: logins.map((role) => role.name), version }, child);
    const make = oneAfterTheOther(name, new Children(this, transforms), server, config);

    // It may have been there before, and what uses it stays.
    for (const extension of config.extensions)
      make("extension", extension, { name: extension, database }, { retainOnDelete: true });
    for (const role of roles)
      make(
        "databaseRole",
        role.name,
        roleArgs(role, prefixOf(config), role.login ? { passwords, version } : undefined),
      );
    for (const role of roles)
      for (const [objectType, privileges] of Object.entries({ database: role.database, schema: role.schema }))
        if (privileges.length > 0)
          make("grant", `${role.name}-${objectType}`, {
            role: names[role.name]!,
            database,
            objectType,
            ...(objectType === "schema" && { schema }),
            privileges,
          });
    for (const role of roles)
      for (const [objectType, privileges] of Object.entries({ table: role.tables, sequence: role.sequences }))
        if (privileges.length > 0)
          make("defaultPrivileges", `${role.name}-${objectType}`, {
            role: names[role.name]!,
            owner: names.owner!,
            database,
            schema,
            objectType,
            privileges,
          });
    // To take the rest away from others, too, when these roles are destroyed would lock them out.
    for (const [objectType, privileges] of Object.entries(everybody))
      make(
        "grant",
        `everybody-${objectType}`,
        { role: "public", database, objectType, ...(objectType === "schema" && { schema }), privileges },
        { retainOnDelete: true },
      );
    new RoleRemainder(
      name,
      {
        connection: admin,
        server: server.identity,
        owner: names.owner!,
        schemas: [schema, "packed", "deploy"],
        shares: roles.map(({ name: role, tables, sequences }) => ({ role: names[role]!, tables, sequences })),
        lockTimeouts: Object.fromEntries(logins.map(({ name: role, limits }) => [names[role]!, limits.lockTimeout])),
      },
      { ...child, dependsOn: make.last() },
    );

    this.connections = pulumi.secret(
      pulumi
        .all([admin, passwords])
        .apply(
          ([connection, secrets]) =>
            Object.fromEntries(
              logins.map(({ name: role }) => [role, { ...connection, user: names[role]!, password: secrets[role]! }]),
            ) as Record<LoginRole, Connection>,
        ),
    );
    this.registerOutputs({ names });
  }

  /** The URL of each role; a secret. */
  get connectionStrings(): pulumi.Output<Record<LoginRole, string>> {
    return this.connections.apply(
      (connections) =>
        Object.fromEntries(
          Object.entries(connections).map(([role, connection]) => [role, connectionString(connection)]),
        ) as Record<LoginRole, string>,
    );
  }

  /** A server as one of the roles sees it. */
  as(role: LoginRole, { serverVersion, identity, backup }: Server): Server {
    return { connection: this.connections.apply((all) => all[role]), serverVersion, identity, backup };
  }
}

const prefixOf = ({ rolePrefix, name }: Config) => rolePrefix || name;

/**
 * Makes resources of the provider, each after the one before: two that change the same row of the catalog at once (two
 * grants on one schema) make PostgreSQL answer "tuple concurrently updated".
 */
function oneAfterTheOther(name: string, own: Children, server: pulumi.Resource & Server, config: Config) {
  const provider = own.make("postgresqlProvider", name, providerArgs(server.connection));
  let last: pulumi.Resource = provider;
  const make = <K extends Kind>(
    kind: K,
    label: string,
    args: ArgsOf<K>,
    options: pulumi.CustomResourceOptions = {},
  ) => {
    last = own.make(kind, `${name}-${label}`, args, {
      provider,
      dependsOn: last,
      // They go with the instance, which nobody need reach for that.
      ...(config.server === "rds" && { deletedWith: server }),
      ...options,
    }) as unknown as pulumi.Resource;
  };
  return Object.assign(make, { last: () => last });
}

interface Secrets {
  passwords: pulumi.Output<Record<string, string>>;
  version: number;
}

function roleArgs(role: DatabaseRole, prefix: string, secrets: Secrets | undefined): postgresql.RoleArgs {
  const { connectionLimit, statementTimeout, idleInTransactionSessionTimeout } = role.limits;
  return {
    name: roleNameOn(prefix, role.name),
    login: role.login,
    // Not by GrantRole: an update of a role takes away every membership that is not in this list.
    roles: role.memberships.map((membership) => roleNameOn(prefix, membership)),
    ...(role.actsAs && { assumeRole: roleNameOn(prefix, role.actsAs) }),
    ...(secrets && {
      passwordWo: secrets.passwords.apply((passwords) => passwords[role.name]!),
      passwordWoVersion: String(secrets.version),
    }),
    connectionLimit,
    ...(statementTimeout > 0 && { statementTimeout }),
    ...(idleInTransactionSessionTimeout > 0 && { idleInTransactionSessionTimeout }),
  };
}
