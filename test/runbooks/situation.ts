import { randomBytes } from "node:crypto";
import pg from "pg";
import { type Connection, connect } from "../../toolkit/connection.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

/** A database in trouble: of a role that is no superuser, and with an application that is none either. */
export interface Situation {
  /** The owner of the database, with the rights that the pages ask for. */
  owner: Connection;
  /** A role that owns nothing. */
  application: Connection;
  /** The superuser's session. */
  client: pg.Client;
  /** A session of the application. */
  session(): Promise<pg.Client>;
  drop(): Promise<void>;
}

// What the pages' "needs" name, and nothing more.
const rights = ["pg_monitor", "pg_signal_backend", "pg_checkpoint"];

/** Makes the database and its two roles. */
export async function makeSituation(template: "empty" | "head" = "empty"): Promise<Situation> {
  const database = await createDatabase({ template });
  const { client, connection } = database;
  const [owner, application] = [await makeRole(database, "owner"), await makeRole(database, "application")];
  await client.query(`alter role ${owner.user} createrole replication`);
  await client.query(`grant ${rights.join(", ")} to ${owner.user}`);
  await client.query(`grant ${application.user} to ${owner.user} with admin option`);
  await client.query(`alter database ${connection.database} owner to ${owner.user}`);
  await client.query(`set role ${owner.user}`);
  const sessions: pg.Client[] = [];
  return {
    owner,
    application,
    client,
    async session() {
      const session = await connect(application, { applicationName: "application" });
      sessions.push(session);
      return session;
    },
    async drop() {
      for (const session of sessions) await session.end().catch(() => {});
      await client.query("reset role");
      await client.query(`reassign owned by ${owner.user}, ${application.user} to current_user`);
      await client.query(`drop owned by ${owner.user}, ${application.user}`);
      await database.drop();
      const admin = await connect({ ...connection, database: "postgres" });
      await admin.query(`drop role if exists ${application.user}, ${owner.user}`).finally(() => admin.end());
    },
  };
}

async function makeRole({ client, connection }: TestDatabase, kind: string): Promise<Connection> {
  const user = `${kind}_${randomBytes(6).toString("hex")}`;
  const password = randomBytes(12).toString("hex");
  await client.query(`create role ${user} login password ${pg.escapeLiteral(password)}`);
  return { ...connection, user, password };
}

/** Waits until something is so. */
export async function until(condition: () => Promise<unknown>): Promise<void> {
  while (!(await condition())) await new Promise((done) => setTimeout(done, 20));
}
