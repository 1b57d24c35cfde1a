import { type Connection, clientConfig } from "../connection.ts";
import { PooledClient } from "./client.ts";

/** One session, beside all pools, for whoever asks the server again and again how it is. */
export class KeptSession {
  readonly #connection: Connection;
  readonly #applicationName: string;
  readonly #patience: number;
  #client: PooledClient | undefined;
  #closed = false;

  /** @param patience milliseconds until it gives up connecting, or an answer */
  constructor(connection: Connection, applicationName: string, patience: number) {
    this.#connection = connection;
    this.#applicationName = applicationName;
    this.#patience = patience;
  }

  /** The session; opened where there is none. @throws what connecting throws */
  async get(): Promise<PooledClient> {
    this.#client ??= await this.#open();
    return this.#client;
  }

  /** Gives up a session that failed, without a goodbye; get() opens another one. */
  drop(): void {
    this.#client?.destroy();
    this.#client = undefined;
  }

  /** Closes it at once, whatever it waits for. */
  close(): void {
    this.#closed = true;
    this.drop();
  }

  async #open(): Promise<PooledClient> {
    const client = new PooledClient({
      ...clientConfig(this.#connection, { applicationName: this.#applicationName, connectTimeout: this.#patience }),
      answerTimeout: this.#patience,
      pgbouncer: false,
    });
    try {
      await client.connect();
      if (this.#closed) throw new Error("the session is closed");
    } catch (error) {
      client.destroy();
      throw error;
    }
    return client;
  }
}
