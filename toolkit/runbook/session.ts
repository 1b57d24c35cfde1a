import type pg from "pg";
import { type Connection, connect } from "../connection.ts";

/** One connection for a whole run: opened when it is first needed, and again when the server has ended it. */
export class RunSession {
  readonly #connection: Connection;
  #client: pg.Client | undefined;
  /** The server process of the session, to cancel what it does. */
  pid: number | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** @throws UserError when the server cannot be reached */
  async client(): Promise<pg.Client> {
    // Asked first: a session that the server has ended may not have been told so yet.
    const alive = await this.#client?.query("select 1").then(
      () => true,
      () => false,
    );
    if (this.#client && alive) return this.#client;
    await this.#client?.end().catch(() => {});
    const client = await connect(this.#connection, { applicationName: "postgres-from-code runbook" });
    const { rows } = await client.query("select pg_backend_pid() as pid");
    this.#client = client;
    this.pid = rows[0].pid;
    return client;
  }

  /** Cancels the statement that runs now, from a session of its own. */
  async cancel(): Promise<void> {
    if (this.pid === undefined) return;
    const other = await connect(this.#connection, {
      applicationName: "postgres-from-code runbook",
      connectTimeout: 3_000,
    });
    try {
      await other.query("select pg_cancel_backend($1)", [this.pid]);
    } finally {
      await other.end();
    }
  }

  async close(): Promise<void> {
    await this.#client?.end().catch(() => {});
  }
}
