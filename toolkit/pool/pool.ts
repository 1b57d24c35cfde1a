import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import { answerTimeout } from "./client.ts";
import { Connections } from "./connections.ts";
import { backoff, isDemoted, isWorthRepeating, neverSent } from "./failures.ts";
import type { Holder } from "./holders.ts";
import { Lending } from "./lending.ts";
import { type PoolLimits, type PoolOptions, resolveLimits } from "./options.ts";
import { apart, type PoolQuery } from "./query.ts";
import type { PoolEvents, PoolStatus } from "./status.ts";
import { Traces, traceAbove, untraced } from "./traces.ts";
import { beginStatement, commit, type TransactionOptions } from "./transaction.ts";

type Query = ((query: PoolQuery, values?: unknown[]) => Promise<pg.QueryResult>) & pg.ClientBase["query"];

// Three attempts: after the first loss every connection is pinged before it is lent, and a second one is bad luck.
const queryAttempts = 3;
const transactionRetries = 3;
// Milliseconds before a transaction is repeated: those that collided are to meet no more.
const [firstPause, longestPause] = [10, 500];
const drainTimeout = 30_000;

/** Connections to one server, shared by whoever asks. Made by {@link createPool}. */
export class Pool extends EventEmitter<PoolEvents> {
  readonly limits: PoolLimits;
  readonly #pgbouncer: boolean;
  readonly #connections: Connections;
  readonly #lending: Lending;
  readonly #traces = new Traces();
  #counts = { leaks: 0, retries: 0 };

  constructor(connection: Connection, options: PoolOptions) {
    super();
    this.limits = resolveLimits(options);
    this.#pgbouncer = options.pgbouncer ?? false;
    this.#connections = new Connections(connection, options, this.limits, {
      opened: (pid) => this.#tell("opened", pid),
      closed: (pid) => this.#tell("closed", pid),
      outage: (outage) => this.#tell("outage", outage),
      recovered: (milliseconds) => this.#tell("recovered", milliseconds),
    });
    this.#lending = new Lending(this.#connections, this.limits, {
      leak: (holder) => {
        this.#counts.leaks += 1;
        this.#tell("leak", holder);
      },
      utilisation: (high) => this.#tell(high ? "high" : "normal", this.getConnectionPoolStatus()),
    });
    void this.#connections.fill();
  }

  /** Waits until `min` connections are open. @throws UserError when the server refuses or cannot be reached */
  ready(): Promise<void> {
    return this.#connections.ready();
  }

  /**
   * Runs one statement on whatever connection is free.
   * @throws PoolTimeoutError when none is in time, UserError when the server is away, and what the statement throws
   */
  readonly query: Query = (async (first: string | PoolQuery | pg.Submittable, values?: unknown[]) => {
    if (typeof first === "object" && "submit" in first)
      throw new UserError("a pool's query() cannot run a cursor or a stream", {
        why: "It would not know when to take the connection back.",
        fix: "Run it within withClient() or transaction().",
      });
    const { retry, statement } = typeof first === "string" ? { retry: false, statement: first } : apart(first);
    let lease = this.#lending.takeNow(untraced);
    let answer = lease?.client.ask(statement, values);
    // Not before it is sent: while the server is at work, it delays nobody.
    const trace = this.#traces.of(typeof statement === "string" ? statement : statement.text, this.query);
    if (lease) lease.trace = trace;
    for (let attempt = 1; ; attempt++) {
      lease ??= await this.#lending.take(trace);
      const { client } = lease;
      try {
        return await (answer ?? client.ask(statement, values));
      } catch (error) {
        Error.captureStackTrace(error as Error);
        if (isDemoted(error)) client.dead = true;
        // What is left may have been done when the connection was lost: only the caller knows whether twice is once.
        const again = neverSent(error) || isDemoted(error) || (retry && client.dead);
        if (!again || attempt === queryAttempts) throw error;
        this.#counts.retries += 1;
      } finally {
        this.#lending.end(lease);
        lease = answer = undefined;
      }
    }
  }) as Query;

  /**
   * Lends a connection to `work` and takes it back, whatever happens. A transaction that `work` leaves open is rolled
   * back; what it set in the session stays, so use `set local`.
   * @throws PoolTimeoutError, UserError as {@link query}, and what `work` throws
   */
  async withClient<T>(work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
    const trace = traceAbove(this.withClient);
    const lease = this.#lending.takeNow(trace) ?? (await this.#lending.take(trace));
    try {
      return await work(lease.client);
    } catch (error) {
      if (isDemoted(error)) lease.client.dead = true;
      throw error;
    } finally {
      await this.#lending.endSafely(lease);
    }
  }

  /**
   * Runs `work` in a transaction, and all of it again after a serialization failure or a deadlock: what it does
   * outside of the database, it may do more than once.
   * @throws UserError when it is not known whether it was committed; and as {@link withClient}
   * @see https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html
   */
  async transaction<T>(work: (client: pg.ClientBase) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const trace = traceAbove(this.transaction);
    const { retries = transactionRetries, readOnly = false } = options;
    // Where PgBouncer keeps it from being set for the session, each transaction sets it.
    const timeout = options.statementTimeout ?? (this.#pgbouncer ? this.limits.statementTimeout : undefined);
    for (let attempt = 1; ; attempt++) {
      const lease = this.#lending.takeNow(trace) ?? (await this.#lending.take(trace));
      const { client } = lease;
      let begun = false;
      try {
        if (timeout !== undefined) client.answerTimeout = answerTimeout(timeout, this.limits.answerGrace);
        await client.query(beginStatement(options, timeout));
        begun = true;
        const result = await work(client);
        await commit(client, () => client.dead);
        return result;
      } catch (error) {
        const demoted = isDemoted(error) && !readOnly;
        if (demoted) client.dead = true;
        // One that did not begin did nothing, and what a standby refused is undone.
        const again = isWorthRepeating(error) || demoted || (!begun && client.dead);
        if (!again || attempt > retries) throw error;
        this.#counts.retries += 1;
      } finally {
        await this.#lending.endSafely(lease);
      }
      await sleep(backoff(attempt, firstPause, longestPause));
    }
  }

  /** How the pool is now: figures, and who has its connections. */
  getConnectionPoolStatus(): PoolStatus {
    const { min, max } = this.limits;
    const { queue, utilisation, high, waits, timeouts, leases } = this.#lending;
    return {
      min,
      max,
      total: this.#connections.total,
      idle: this.#connections.idle,
      inUse: queue.taken,
      waiting: queue.waiting,
      utilisation,
      high,
      waits: waits.percentiles(),
      timeouts,
      ...this.#counts,
      outage: this.#connections.outage,
      holders: leases.holders(),
    };
  }

  /**
   * Serves who has already asked, nobody else, and closes.
   * @param options.timeout milliseconds, 30 s when left out, after which it cuts off those who are left
   * @returns whom it cut off
   */
  end({ timeout = drainTimeout }: { timeout?: number } = {}): Promise<Holder[]> {
    return this.#lending.close(timeout);
  }

  /** Later, so that a listener that throws is the process's affair and not that of a place in the queue. */
  #tell<Name extends keyof PoolEvents>(name: Name, ...event: PoolEvents[Name]): void {
    process.nextTick(() => (this as EventEmitter).emit(name, ...event));
  }
}

/**
 * Makes a pool of connections. It begins at once to open `min` of them, and needs no waiting for: await its ready()
 * to hear whether the server can be reached.
 * @throws UserError when the options contradict each other
 */
export function createPool(connection: Connection, options: PoolOptions = {}): Pool {
  return new Pool(connection, options);
}
