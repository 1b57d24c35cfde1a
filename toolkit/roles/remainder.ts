import pg from "pg";
import { type Connection, withClient } from "../connection.ts";
import { messageOf, UserError } from "../errors.ts";
import type { CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult } from "../provider.ts";
import { containsUnknown } from "../unknown.ts";
import { handOver, ownObjects, type Share } from "./existing.ts";

/*
 * The module behind infra/roles/remainder.ts: what the Pulumi provider for PostgreSQL has no words for. The roles
 * are there when it runs.
 */

export interface RemainderInputs {
  /** As the user who makes the roles; a secret. */
  connection: Connection;
  /** Tells one database cluster from another. */
  server: string;
  /** The role that takes over what this user owns in `schemas`. */
  owner: string;
  schemas: string[];
  /** What default privileges give of new objects, for those taken over. */
  shares: Share[];
  /** `lock_timeout` by role, in milliseconds. */
  lockTimeouts: Record<string, number>;
}

const session = { applicationName: "postgres-from-code roles", connectTimeout: 5_000 };
const reading = { ...session, statementTimeout: 15_000 };

/** Refuses a user who could not make the roles, before any is made. */
export async function check(_olds: unknown, news: RemainderInputs): Promise<CheckResult<RemainderInputs>> {
  if (containsUnknown(news.connection)) return { inputs: news };
  try {
    const reasons = await withClient(news.connection, reading, obstacles);
    return { inputs: news, failures: reasons.map((reason) => ({ property: "connection", reason })) };
  } catch (error) {
    const [reason] = messageOf(error).split("\n");
    console.log(`going on without a look at the roles: ${reason}`);
    return { inputs: news };
  }
}

/** The database decides; where it cannot be asked, what was said of it before. */
export async function diff(_id: string, olds: RemainderInputs, news: RemainderInputs): Promise<DiffResult> {
  const said = ({ connection: _, ...rest }: RemainderInputs) => JSON.stringify(rest, Object.keys(rest).sort());
  if (containsUnknown(news) || olds.server !== news.server) return { changes: true };
  try {
    const pending = await withClient(news.connection, reading, (client) => statementsFor(client, news));
    for (const { line } of pending) console.log(line);
    return { changes: pending.length > 0 || said(olds) !== said(news) };
  } catch (error) {
    const [reason] = messageOf(error).split("\n");
    console.log(`going on without a look at the roles: ${reason}`);
    return { changes: said(olds) !== said(news) };
  }
}

export async function create(inputs: RemainderInputs): Promise<CreateResult<RemainderInputs>> {
  await settle(inputs);
  return { id: "remainder", outs: inputs };
}

export async function update(
  _id: string,
  _olds: RemainderInputs,
  news: RemainderInputs,
): Promise<UpdateResult<RemainderInputs>> {
  await settle(news);
  return { outs: news };
}

export async function read(id: string, props: RemainderInputs): Promise<ReadResult<RemainderInputs>> {
  return { id, props };
}

/** The settings go with their roles, and what the owner owns goes back to the user who drops it. */
export async function delete_(): Promise<void> {}

async function settle(inputs: RemainderInputs): Promise<void> {
  await withClient(inputs.connection, session, async (client) => {
    await client.query("begin");
    // Others work there: better to fail and to be run again than to make them queue behind us.
    await client.query("set local lock_timeout to '5s'");
    const leave = await joinRole(client, inputs.owner);
    for (const { line, sql } of await statementsFor(client, inputs)) {
      console.log(line);
      for (const statement of sql) await client.query(statement);
    }
    await leave();
    await client.query("commit");
  });
}

/**
 * Makes the current user a member of a role for a while: to give an object to an owner one must be able to become that
 * owner, which who makes a role cannot by itself since PostgreSQL 16.
 * @see https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
 */
async function joinRole(client: pg.ClientBase, role: string): Promise<() => Promise<void>> {
  const { rows } = await client.query<{ may: boolean; user: string }>(
    `select current_user as user,
            pg_has_role(current_user, $1, case when current_setting('server_version_num')::int >= 160000
                                               then 'set' else 'member' end) as may`,
    [role],
  );
  if (rows[0]!.may) return async () => {};
  const [name, user] = [pg.escapeIdentifier(role), pg.escapeIdentifier(rows[0]!.user)];
  await client.query(`grant ${name} to ${user}`);
  return async () => {
    await client.query(`revoke ${name} from ${user}`);
  };
}

/** What is still to be done, each with a line for people. */
async function statementsFor(
  client: pg.ClientBase,
  { owner, schemas, shares, lockTimeouts }: RemainderInputs,
): Promise<{ line: string; sql: string[] }[]> {
  const objects = await ownObjects(client, schemas);
  const settings = await differingTimeouts(client, lockTimeouts);
  return [
    ...settings.map(([role, timeout]) => ({
      line: `lock_timeout of ${role}: ${timeout ? `${timeout} ms` : "none"}`,
      sql: [
        timeout
          ? `alter role ${pg.escapeIdentifier(role)} set lock_timeout to ${Math.trunc(timeout)}`
          : `alter role ${pg.escapeIdentifier(role)} reset lock_timeout`,
      ],
    })),
    ...objects
      .map((object) => ({ object, sql: handOver(object, owner, shares) }))
      .filter(({ sql }) => sql.length > 0)
      .map(({ object, sql }) => ({ line: `${object.kind} ${object.name}: to ${owner}`, sql })),
  ];
}

/** Compared as text: what somebody set by hand may be any of PostgreSQL's forms, and is then set again as ours. */
async function differingTimeouts(
  client: pg.ClientBase,
  wanted: Record<string, number>,
): Promise<[role: string, timeout: number][]> {
  const { rows } = await client.query<{ role: string; timeout: string }>(
    `select rolname as role, split_part(setting, '=', 2) as timeout
     from pg_roles, unnest(rolconfig) as setting
     where rolname = any ($1) and setting like 'lock\\_timeout=%'`,
    [Object.keys(wanted)],
  );
  const present = new Map(rows.map(({ role, timeout }) => [role, timeout]));
  return Object.entries(wanted).filter(([role, timeout]) => (present.get(role) ?? "0") !== String(timeout));
}

/** What keeps the connected user from making roles and granting privileges. */
async function obstacles(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ user: string; database: string; makesRoles: boolean; owns: boolean }>(
    `select rolname as user, datname as database, rolsuper or rolcreaterole as "makesRoles",
            pg_has_role(current_user, datdba, 'usage') as owns
     from pg_roles, pg_database where rolname = current_user and datname = current_database()`,
  );
  const { user, database, makesRoles, owns } = rows[0]!;
  const fix = "Connect as a user who may, or set database:roles to none and make the roles by hand.";
  return [
    ...(makesRoles
      ? []
      : [
          new UserError(`${user} may not make roles`, { why: "It has neither CREATEROLE nor is it a superuser.", fix }),
        ]),
    ...(owns
      ? []
      : [
          new UserError(`${user} may not grant privileges on the database ${database}`, {
            why: "It is not its owner, nor a member of the owner.",
            fix,
          }),
        ]),
  ].map(({ message }) => message);
}
