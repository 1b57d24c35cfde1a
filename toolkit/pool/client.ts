import { setImmediate as nextTurn } from "node:timers/promises";
import pg from "pg";
import { UserError } from "../errors.ts";
import { Deadlines } from "./deadlines.ts";
import { isGoodbye } from "./failures.ts";
import { forPeople } from "./statementText.ts";
import { refuseSessionState } from "./transactionMode.ts";
import { announceWrites } from "./writes.ts";

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

/** A statement, and when it was sent or answered, by `performance.now()`. */
interface Sent {
  text: string;
  at: number;
}

/** One that has no answer yet. */
interface Unanswered extends Sent {
  /** Milliseconds that we wait for it. */
  timeout: number;
  answered: boolean;
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
  readonly #unanswered = new Deadlines<Unanswered>((sent) => void this.#giveUp(sent));
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
    announceWrites(this);
  }

  /** The backend, as pg_stat_activity shows it; undefined before there is one. */
  get pid(): number | undefined {
    return (this as { processID?: number | null }).processID ?? undefined;
  }

  /**
   * As pg's, but it gives up on an answer that does not come: then nothing that this connection says can be relied on,
   * and it is destroyed. A cursor or a COPY stream ends where nobody here sees it, and is bounded by the server's
   * statement_timeout only.
   */
  override query(...args: unknown[]): never {
    const [first, second, third] = args as [string | QueryConfig | pg.Submittable, unknown, unknown];
    if (first && typeof first === "object" && "submit" in first) return this.#send(...args) as never;
    const answer = this.ask(first ?? {}, Array.isArray(second) ? second : undefined).catch(fromHere);
    const callback = [second, third].find((each) => typeof each === "function") as Callback | undefined;
    if (!callback) return answer as never;
    answer.then(
      (result) => callback(null, result),
      (error) => callback(error),
    );
    return undefined as never;
  }

  /** As {@link query}, for a caller that says itself where an error comes from: see {@link fromHere}. */
  ask(statement: string | QueryConfig, values: unknown[] | undefined): Promise<pg.QueryResult> {
    if (typeof statement === "string") return this.#ask(statement, statement, values);
    const { query_timeout: timeout, ...config } = statement;
    // The next statement may meet another backend, which has not prepared it; without a name it is prepared each time.
    if (this.#pgbouncer) delete config.name;
    return this.#ask(config.text, config, values, timeout);
  }

  /**
   * Whether the server answers: one empty query, the cheapest there is.
   * @param timeout milliseconds, after which the connection is destroyed
   */
  async ping(timeout: number): Promise<"alive" | "dead" | "silent"> {
    try {
      await this.#ask("", "", undefined, timeout);
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

  #send(...args: unknown[]): unknown {
    return Reflect.apply(pg.Client.prototype.query, this, args);
  }

  #ask(
    text: string,
    query: string | pg.QueryConfig,
    values: unknown[] | undefined,
    timeout = this.answerTimeout,
  ): Promise<pg.QueryResult> {
    return new Promise((resolve, reject) => {
      if (this.#pgbouncer) refuseSessionState(text);
      const sent = { text, at: performance.now(), timeout, answered: false };
      this.running = sent;
      this.#send(query, values, (error: Error | null, result: pg.QueryResult) => {
        this.#answered(sent, error);
        if (error) reject(this.#failure ?? error);
        else resolve(result);
      });
      // While the server is at work already.
      if (timeout > 0) this.#unanswered.add(sent, sent.at + timeout);
    });
  }

  #answered(sent: Unanswered, error: Error | null): void {
    sent.answered = true;
    this.#unanswered.delete(sent);
    const now = performance.now();
    if (error && isGoodbye(error)) this.dead = true;
    // Any other word of the server is as good a sign of life as a result.
    if (!this.dead) this.heard = now;
    if (this.running === sent) this.running = undefined;
    if (sent.text) this.last = { text: sent.text, at: now };
  }

  async #giveUp(sent: Unanswered): Promise<void> {
    // If this process was busy, the answer may be here and unread: one turn of the event loop reads it.
    await nextTurn();
    if (sent.answered || this.dead) return;
    this.silentSince = sent.at;
    this.destroy(
      new UserError(`the server did not answer within ${sent.timeout} ms, and the connection was destroyed`, {
        why: `The network hangs, or the statement takes longer. Whether it was done is not known: ${forPeople(sent.text)}`,
        fix: "Give a slow statement a query_timeout of its own; mark one that may be repeated with retry: true.",
      }),
    );
  }
}

/** Throws an error whose stack leads to whoever waits for it; as it is made, its stack leads to the socket. */
export function fromHere(error: Error): never {
  Error.captureStackTrace(error, fromHere);
  throw error;
}
