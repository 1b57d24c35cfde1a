import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import { answerTimeout } from "./client.ts";
import { Connections, type Outage } from "./connections.ts";
import { backoff, isDemoted, isWorthRepeating, neverSent } from "./failures.ts";
import { type Holder, PoolTimeoutError, type Trace, traceAbove } from "./holders.ts";
import { type Lease, Leases } from "./leases.ts";
import { type PoolLimits, type PoolOptions, resolveLimits } from "./options.ts";
import { type FairQueue, fairQueue } from "./queue.ts";
import type { PoolStatus } from "./status.ts";
import { beginStatement, commit, type TransactionOptions } from "./transaction.ts";
import { Waits } from "./waits.ts";

/** What a pool tells; each is for information, and none needs a listener. */
export interface PoolEvents {
  opened: [pid: number | undefined];
  closed: [pid: number | undefined];
  /** Utilisation rose above highUtilisation. */
  high: [PoolStatus];
  /** It fell to normalUtilisation or below since. */
  normal: [PoolStatus];
  /** Somebody has had a connection for longer than leakAfter. */
  leak: [Holder];
  outage: [Outage];
  /** The server is back, after so many milliseconds. */
  recovered: [milliseconds: number];
}

/** A statement, as `pg` takes it, and two things more. */
export interface PoolQuery extends pg.QueryConfig {
  /**
   * It may be done twice: it only reads, or does no more the second time. Then it is also sent again where its
   * connection was lost before the answer came. Without this it is not: it may have been done.
   */
  retry?: boolean;
  /** Milliseconds to wait for its answer, instead of statementTimeout and answerGrace. */
  query_timeout?: number;
}

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
  readonly #queue: FairQueue;
  readonly #leases: Leases;
  readonly #connections: Connections;
  readonly #waits = new Waits();
  #high = false;
  #counts = { timeouts: 0, leaks: 0, retries: 0 };
  #ending: Promise<Holder[]> | undefined;
  #emptied: (() => void) | undefined;

  constructor(connection: Connection, options: PoolOptions) {
    super();
    this.limits = resolveLimits(options);
    this.#pgbouncer = options.pgbouncer ?? false;
    this.#queue = fairQueue(this.limits.max);
    this.#leases = new Leases(this.limits.leakAfter, (holder) => {
      this.#counts.leaks += 1;
      this.#tell("leak", holder);
    });
    this.#connections = new Connections(connection, options, this.limits, {
      opened: (pid) => this.#tell("opened", pid),
      closed: (pid) => this.#tell("closed", pid),
      outage: (outage) => this.#tell("outage", outage),
      recovered: (milliseconds) => this.#tell("recovered", milliseconds),
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
    const trace = traceAbove(this.query);
    if (typeof first === "object" && "submit" in first)
      throw new UserError("a pool's query() cannot run a cursor or a stream", {
        why: "It would not know when to take the connection back.",
        fix: "Run it within withClient() or transaction().",
      });
    const { retry = false, ...config } = typeof first === "string" ? { text: first } : first;
    for (let attempt = 1; ; attempt++) {
      const { client, end } = await this.#take(trace);
      try {
        return await client.query({ ...config, ...(values && { values }) });
      } catch (error) {
        if (isDemoted(error)) client.dead = true;
        // What is left may have been done when the connection was lost: only the caller knows whether twice is once.
        const again = neverSent(error) || isDemoted(error) || (retry && client.dead);
        if (!again || attempt === queryAttempts) throw error;
        this.#counts.retries += 1;
      } finally {
        end();
      }
    }
  }) as Query;

  /**
   * Lends a connection to `work` and takes it back, whatever happens. A transaction that `work` leaves open is rolled
   * back; what it set in the session stays, so use `set local`.
   * @throws PoolTimeoutError, UserError as {@link query}, and what `work` throws
   */
  async withClient<T>(work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
    const lease = await this.#take(traceAbove(this.withClient));
    try {
      return await work(lease.client);
    } catch (error) {
      if (isDemoted(error)) lease.client.dead = true;
      throw error;
    } finally {
      await this.#giveBack(lease);
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
      const lease = await this.#take(trace);
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
        await this.#giveBack(lease);
      }
      await sleep(backoff(attempt, firstPause, longestPause));
    }
  }

  /** How the pool is now: figures, and who has its connections. */
  getConnectionPoolStatus(): PoolStatus {
    const { min, max } = this.limits;
    return {
      min,
      max,
      total: this.#connections.total,
      idle: this.#connections.idle,
      inUse: this.#queue.taken,
      waiting: this.#queue.waiting,
      utilisation: this.#utilisation(),
      high: this.#high,
      waits: this.#waits.percentiles(),
      ...this.#counts,
      outage: this.#connections.outage,
      holders: this.#leases.holders(),
    };
  }

  /**
   * Serves who has already asked, nobody else, and closes.
   * @param options.timeout milliseconds, 30 s when left out, after which it cuts off those who are left
   * @returns whom it cut off
   */
  end({ timeout = drainTimeout }: { timeout?: number } = {}): Promise<Holder[]> {
    this.#ending ??= this.#drain(timeout);
    return this.#ending;
  }

  async #take(trace: Trace): Promise<Lease> {
    if (this.#ending) throw closed();
    const started = performance.now();
    await this.#queue.enter(this.#connections.patience(), (before) => this.#overdue(started, before));
    this.#watchUtilisation();
    try {
      const client = await this.#connections.lend(started);
      this.#waits.add(performance.now() - started);
      return this.#leases.start(client, trace, () => {
        this.#connections.takeBack(client);
        this.#leave();
      });
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  /** The end of a wait in the queue, unless the server has gone away meanwhile: then it is longer. */
  #overdue(started: number, before: number): Error | number {
    const patience = this.#connections.patience();
    const left = started + patience - performance.now();
    if (left > 0) return left;
    this.#counts.timeouts += 1;
    const { max } = this.limits;
    const place = before === 0 ? "this request is the next" : `${before} more came before this one`;
    return (
      this.#connections.unreachable() ??
      new PoolTimeoutError(
        `no connection became free within ${patience} ms: all ${max} of the pool are in use, and ${place}`,
        this.#leases.holders(),
        `Give connections back sooner, or raise max (${max}) if the server has room: see runbooks/pool-exhausted.md.`,
      )
    );
  }

  async #giveBack(lease: Lease): Promise<void> {
    const { client } = lease;
    if (client.running) {
      // Nobody waits for its answer, and the next one to have this connection would wait behind it.
      client.destroy(new UserError("the connection was given back while a statement ran on it"));
    } else if (!client.dead && client.getTransactionStatus() !== "I") {
      await (client.query as Query)({ text: "rollback", query_timeout: this.limits.pingTimeout }).catch(() => {
        client.dead = true;
      });
    }
    lease.end();
  }

  #leave(): void {
    this.#queue.leave();
    this.#watchUtilisation();
    if (this.#queue.taken === 0) this.#emptied?.();
  }

  #utilisation(): number {
    return (100 * this.#queue.taken) / this.limits.max;
  }

  #watchUtilisation(): void {
    const utilisation = this.#utilisation();
    const high = utilisation > (this.#high ? this.limits.normalUtilisation : this.limits.highUtilisation);
    if (high === this.#high) return;
    this.#high = high;
    this.#tell(high ? "high" : "normal", this.getConnectionPoolStatus());
  }

  async #drain(timeout: number): Promise<Holder[]> {
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve;
      if (this.#queue.taken === 0) resolve();
    });
    const clock = new AbortController();
    await Promise.race([emptied, sleep(timeout, undefined, { signal: clock.signal }).catch(() => {})]);
    clock.abort();
    const cut = this.#leases.holders();
    this.#queue.refuseAll(closed());
    this.#leases.cutOff(closed());
    await this.#connections.close();
    return cut;
  }

  /** Later, so that a listener that throws is the process's affair and not that of a place in the queue. */
  #tell<Name extends keyof PoolEvents>(name: Name, ...event: PoolEvents[Name]): void {
    process.nextTick(() => (this as EventEmitter).emit(name, ...event));
  }
}

function closed(): UserError {
  return new UserError("the pool is closed", { why: "end() was called.", fix: "Make a new pool, or end it later." });
}

/**
 * Makes a pool of connections. It begins at once to open `min` of them, and needs no waiting for: await its ready()
 * to hear whether the server can be reached.
 * @throws UserError when the options contradict each other
 */
export function createPool(connection: Connection, options: PoolOptions = {}): Pool {
  return new Pool(connection, options);
}
