import { setImmediate as nextTurn } from "node:timers/promises";
import pg from "pg";
import { UserError } from "../errors.ts";
import { isGoodbye } from "./failures.ts";
import { forPeople } from "./statementText.ts";
import { refuseSessionState } from "./transactionMode.ts";

/** What a pool adds to the configuration of `pg` for each of its clients. */
export interface PooledClientConfig extends pg.ClientConfig {
  /** Milliseconds that we wait for the answer to a statement; 0 for ever. */
  answerTimeout: number;
  pgbouncer: boolean;
}

/** How long to wait for the answer to a statement that the server ends after `statementTimeout`; 0 for ever. */
export function answerTimeout(statementTimeout: number, grace: number): number {
  return statementTimeout && statementTimeout + grace;
}

/** A statement, and when it was sent, by `performance.now()`. */
interface Sent {
  text: string;
  at: number;
}

// A goodbye that takes longer than this, in milliseconds, is not heard.
const goodbyeTimeout = 1_000;

type Callback = (error: Error | null, result?: pg.QueryResult) => void;
type QueryConfig = pg.QueryConfig & { query_timeout?: number };

/** A client that knows what it is doing, when it was last heard, and for how long it waits for an answer. */
export class PooledClient extends pg.Client {
  /** When the server last answered, by `performance.now()`. */
  heard = 0;
  /** Whether its connection is known to be lost. */
  dead = false;
  /** The statement that has no answer yet. */
  running: Sent | undefined;
  /** The statement that was answered last, and when. */
  last: Sent | undefined;
  /** When the statement was sent whose answer did not come, by `performance.now()`; that destroyed the connection. */
  silentSince: number | undefined;
  /** Milliseconds that it waits for the answer to a statement; 0 for ever. */
  answerTimeout: number;
  readonly #pgbouncer: boolean;
  #failure: Error | undefined;

  constructor(config: PooledClientConfig) {
    super(config);
    this.answerTimeout = config.answerTimeout;
    this.#pgbouncer = config.pgbouncer;
    const died = () => {
      this.dead = true;
    };
    // While it is lent nobody else need listen, and an error event without a listener ends the process.
    this.on("error", died).on("end", died);
    this.on("connect", () => {
      this.heard = performance.now();
    });
  }

  /**
   * As pg's, but it gives up on an answer that does not come: then nothing that this connection says can be relied on,
   * and it is destroyed. A cursor or a COPY stream ends where nobody here sees it, and is bounded by the server's
   * statement_timeout only.
   */
  override query(...args: unknown[]): never {
    const [first, second, third] = args as [string | QueryConfig | pg.Submittable, unknown, unknown];
    if (first && typeof first === "object" && "submit" in first) return this.#send(args) as never;
    const { query_timeout: timeout = this.answerTimeout, ...config } =
      typeof first === "string" ? { text: first } : ((first ?? {}) as QueryConfig);
    if (this.#pgbouncer) {
      refuseSessionState(config.text);
      // The next statement may meet another backend, which has not prepared it; without a name it is prepared each time.
      delete config.name;
    }
    const values = Array.isArray(second) ? [second] : [];
    const answer = this.#watched(
      config.text,
      timeout,
      () => this.#send([config, ...values]) as Promise<pg.QueryResult>,
    );
    const callback = [second, third].find((each) => typeof each === "function") as Callback | undefined;
    if (!callback) return answer as never;
    answer.then(
      (result) => callback(null, result),
      (error) => callback(error),
    );
    return undefined as never;
  }

  /**
   * Whether the server answers: one empty query, the cheapest there is.
   * @param timeout milliseconds, after which the connection is destroyed
   */
  async ping(timeout: number): Promise<"alive" | "dead" | "silent"> {
    try {
      await this.#watched("", timeout, () => this.#send([""]) as Promise<pg.QueryResult>);
      return "alive";
    } catch {
      return this.silentSince === undefined ? "dead" : "silent";
    }
  }

  /** As pg's, but a network that hangs does not keep its socket open. */
  override end(...args: unknown[]): never {
    const timer = setTimeout(() => this.connection.stream.destroy(), goodbyeTimeout).unref();
    this.once("end", () => clearTimeout(timer));
    return Reflect.apply(pg.Client.prototype.end, this, args) as never;
  }

  /** Closes the socket without a goodbye, which a hanging network would keep for ever. */
  destroy(failure?: Error): void {
    this.dead = true;
    this.#failure ??= failure;
    this.connection.stream.destroy();
  }

  #send(args: unknown[]): unknown {
    return Reflect.apply(pg.Client.prototype.query, this, args);
  }

  async #watched(text: string, timeout: number, send: () => Promise<pg.QueryResult>): Promise<pg.QueryResult> {
    const sent = { text, at: performance.now() };
    let answered = false;
    const timer = timeout > 0 ? setTimeout(() => void this.#giveUp(sent, timeout, () => answered), timeout) : undefined;
    this.running = sent;
    try {
      const result = await send();
      this.heard = performance.now();
      return result;
    } catch (error) {
      if (isGoodbye(error)) this.dead = true;
      // Any other word of the server is as good a sign of life as a result.
      if (!this.dead) this.heard = performance.now();
      throw this.#failure ?? error;
    } finally {
      answered = true;
      clearTimeout(timer);
      if (this.running === sent) this.running = undefined;
      if (text) this.last = { text, at: performance.now() };
    }
  }

  async #giveUp({ text, at }: Sent, timeout: number, answered: () => boolean): Promise<void> {
    // If this process was busy, the answer may be here and unread: one turn of the event loop reads it.
    await nextTurn();
    if (answered() || this.dead) return;
    this.silentSince = at;
    this.destroy(
      new UserError(`the server did not answer within ${timeout} ms, and the connection was destroyed`, {
        why: `The network hangs, or the statement takes longer. Whether it was done is not known: ${forPeople(text)}`,
        fix: "Give a slow statement a query_timeout of its own; mark one that may be repeated with retry: true.",
      }),
    );
  }
}
