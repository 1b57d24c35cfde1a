import { randomBytes } from "node:crypto";
import pg from "pg";
import { revealed } from "../../../infra/engine/wire.ts";
import type { Transforms } from "../../../infra/server/rds/children.ts";
import { type Connection, connect, connectionString, withClient } from "../../../toolkit/connection.ts";
import * as remainder from "../../../toolkit/roles/remainder.ts";
import { createDatabase, type TestDatabase, testServer } from "../../support/database.ts";
import { type Registered, register } from "../mocks.ts";

export type Login = "migrator" | "application" | "readOnly" | "monitor";

/** What the mocks answer for every password. */
const password = "geheim";

/** A database with the roles of the program, made by a user of the test's choice. */
export interface Place {
  prefix: string;
  database: TestDatabase;
  admin: Connection;
  remainder: remainder.RemainderInputs;
  as(role: Login): Connection;
}

const made: { prefix: string; database: TestDatabase }[] = [];

/** A database, and a name that no other run uses: roles belong to the whole server. */
export async function newPlace(template: "empty" | "head"): Promise<{ prefix: string; database: TestDatabase }> {
  const place = { prefix: `t${randomBytes(5).toString("hex")}`, database: await createDatabase({ template }) };
  made.push(place);
  return place;
}

/** The user that Amazon RDS gives: no superuser, but it makes roles, and may hand on what monitoring needs. */
export async function plainAdmin({
  prefix,
  database,
}: {
  prefix: string;
  database: TestDatabase;
}): Promise<Connection> {
  const user = `${prefix}_admin`;
  const { client, connection } = database;
  await client.query(`
    create role ${user} login createrole createdb password '${password}';
    grant pg_monitor, pg_read_all_stats to ${user} with admin option;
    alter database ${pg.escapeIdentifier(connection.database)} owner to ${user}`);
  return { ...connection, user, password };
}

/** What the program registers on an external server, its roles turned on. */
export const registerRoles = (admin: Connection, rolePrefix: string, transforms?: Transforms) =>
  register(
    {
      "database:server": "external",
      "database:url": connectionString(admin),
      "database:roles": "managed",
      "database:rolePrefix": rolePrefix,
      "database:roleLimits": JSON.stringify({ monitor: { connectionLimit: 2 }, readOnly: { lockTimeout: 0 } }),
      "database:extensions": '["plpgsql"]',
      "database:sampleData": "true",
    },
    transforms,
  );

/** Makes on the server what the program registers, in its order, as Pulumi's provider would. */
export async function makeRoles(
  { prefix, database }: { prefix: string; database: TestDatabase },
  admin: Connection,
): Promise<Place> {
  const { registered, inputsOf } = await registerRoles(admin, prefix);
  await withClient(admin, {}, async (client) => {
    for (const resource of registered)
      for (const statement of statementsOf(resource)) await client.query(statement).catch(explain(statement));
  });
  const inputs = revealed(inputsOf("RoleRemainder")) as remainder.RemainderInputs;
  const { failures = [] } = await remainder.check({}, inputs);
  if (failures.length > 0) throw new Error(failures.map(({ reason }) => reason).join("\n"));
  await remainder.create(inputs);
  const suffix = { migrator: "migrator", application: "application", readOnly: "read_only", monitor: "monitor" };
  const as = (role: Login) => ({ ...admin, user: `${prefix}_${suffix[role]}`, password });
  return { prefix, database, admin, remainder: inputs, as };
}

const explain = (statement: string) => (error: Error) => {
  throw new Error(`${error.message}: ${statement}`);
};

/**
 * What the provider sends for a resource.
 * @see https://github.com/cyrilgdn/terraform-provider-postgresql/tree/main/postgresql
 */
function statementsOf({ type, inputs }: Registered): string[] {
  const [name, role, database, schema, owner] = ["name", "role", "database", "schema", "owner"].map((key) =>
    pg.escapeIdentifier(String(inputs[key])),
  );
  switch (type) {
    case "postgresql:index/extension:Extension":
      return [`create extension if not exists ${name}`];
    case "postgresql:index/role:Role": {
      const secret = revealed(inputs.passwordWo);
      const words = [inputs.login ? "login" : "nologin", `connection limit ${inputs.connectionLimit}`];
      if (secret) words.push(`encrypted password ${pg.escapeLiteral(secret)}`);
      return [
        "begin",
        `create role ${name} with ${words.join(" ")}`,
        ...inputs.roles.map((group: string) => `grant ${pg.escapeIdentifier(group)} to ${name}`),
        ...setting(name!, "statement_timeout", inputs.statementTimeout),
        ...setting(name!, "idle_in_transaction_session_timeout", inputs.idleInTransactionSessionTimeout),
        ...(inputs.assumeRole ? [`alter role ${name} set role to ${pg.escapeIdentifier(inputs.assumeRole)}`] : []),
        "commit",
      ];
    }
    case "postgresql:index/grant:Grant": {
      const on = inputs.objectType === "schema" ? `schema ${schema}` : `database ${database}`;
      return [
        "begin",
        `revoke all privileges on ${on} from ${role}`,
        `grant ${inputs.privileges.join(", ")} on ${on} to ${role}`,
        "commit",
      ];
    }
    case "postgresql:index/defaultPrivileges:DefaultPrivileges": {
      const defaults = `alter default privileges for role ${owner} in schema ${schema}`;
      // For this it becomes a member of the owner for a while.
      return [
        "begin",
        `grant ${owner} to current_user`,
        `${defaults} revoke all on ${inputs.objectType}s from ${role}`,
        `${defaults} grant ${inputs.privileges.join(", ")} on ${inputs.objectType}s to ${role}`,
        `revoke ${owner} from current_user`,
        "commit",
      ];
    }
    default:
      return [];
  }
}

const setting = (role: string, name: string, value: number | undefined) =>
  value ? [`alter role ${role} set ${name} to ${value}`] : [];

/** Removes the databases, and then the roles of the server. */
export async function removePlaces(): Promise<void> {
  for (const { database } of made) await database.drop();
  const server = await connect(testServer());
  for (const { prefix } of made) {
    const { rows } = await server.query<{ name: string }>(
      "select rolname as name from pg_roles where starts_with(rolname, $1) order by rolname = $1 || '_admin'",
      [prefix],
    );
    for (const { name } of rows) await server.query(`drop role ${pg.escapeIdentifier(name)}`);
  }
  await server.end();
}
