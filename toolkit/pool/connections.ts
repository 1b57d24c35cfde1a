import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import type pg from "pg";
import { type Connection, explainFailure } from "../connection.ts";
import { answerTimeout, type PooledClient } from "./client.ts";
import { backoff, isPassing } from "./failures.ts";
import type { PoolLimits, PoolOptions } from "./options.ts";
import { type LentClient, makePgPool, nextIdle, openOne, takeAny, takeIdle } from "./pgPool.ts";

/** The server cannot be reached, since when and why. */
export interface Outage {
  since: Date;
  error: Error;
}

/** What happens to connections, for those who watch. */
export interface ConnectionEvents {
  opened: (pid: number | undefined) => void;
  closed: (pid: number | undefined) => void;
  outage: (outage: Outage) => void;
  /** @param milliseconds how long the server was away */
  recovered: (milliseconds: number) => void;
}

// Milliseconds between attempts to connect: a restart takes about a second, and a server that is back is not stormed.
const [firstPause, longestPause] = [50, 2_000];
// A connection that was heard this recently has just been given back: nothing unread can be waiting at its socket.
const sameMoment = 1;

/** `pg`'s Pool, whose connections are open beforehand, known to live when they are lent, and replaced when they die. */
export class Connections {
  readonly #pool: pg.Pool;
  readonly #connection: Connection;
  readonly #limits: PoolLimits;
  readonly #tell: ConnectionEvents;
  /** Connections that were last heard before this moment are pinged, however fresh: one like them has died. */
  #suspected = 0;
  /** Those that were last heard before this one are closed unasked: one like them was silent, and each would cost a ping. */
  #distrusted = 0;
  #filling: Promise<void> | undefined;
  #opening: Promise<void> | undefined;
  #reached = false;
  #closed = false;
  outage: Outage | undefined;

  constructor(connection: Connection, options: PoolOptions, limits: PoolLimits, tell: ConnectionEvents) {
    this.#connection = connection;
    this.#limits = limits;
    this.#tell = tell;
    this.#pool = makePgPool(connection, options, limits);
    // A connection that dies while it is idle is dropped by pg; its error is no news to anybody.
    this.#pool.on("error", () => {});
    this.#pool.on("connect", (client) => {
      this.#reached = true;
      const { outage } = this;
      this.outage = undefined;
      if (outage) tell.recovered(Date.now() - outage.since.getTime());
      tell.opened((client as unknown as PooledClient).pid);
    });
    this.#pool.on("remove", (client) => {
      tell.closed((client as unknown as PooledClient).pid);
      void this.fill();
    });
  }

  get total(): number {
    return this.#pool.totalCount;
  }

  get idle(): number {
    return this.#pool.idleCount;
  }

  /** Milliseconds that somebody who waits since `started` waits at most, as things are now. */
  patience(): number {
    return this.outage && this.#reached ? this.#limits.outageTimeout : this.#limits.acquireTimeout;
  }

  /** Lends a connection that was used this very moment; undefined where there is none, and {@link lend} has to look. */
  lendNow(now: number): LentClient | undefined {
    const next = nextIdle(this.#pool);
    if (!next || this.#closed || !this.#isTrusted(next)) return undefined;
    if (now - next.heard >= Math.min(sameMoment, this.#limits.freshFor)) return undefined;
    return takeIdle(this.#pool);
  }

  /**
   * Lends a connection that lives.
   * @param started when the request came, by `performance.now()`: it ends within its patience and one connectTimeout
   * @throws UserError when the server refuses for good, or stays away for longer than the patience
   */
  async lend(started: number): Promise<LentClient> {
    for (let attempt = 1; ; ) {
      try {
        const client = await takeAny(this.#pool);
        if (!this.#closed && (await this.#lives(client))) return client;
        client.release(true);
      } catch (error) {
        this.#noteOutage(error);
        const left = started + this.patience() - performance.now();
        if (this.#closed || !isPassing(error) || left <= 0) throw explainFailure(error, this.#connection);
        await sleep(Math.min(backoff(attempt++, firstPause, longestPause), left));
      }
    }
  }

  /** Takes a connection back, or closes it where it is no longer good for the next one. */
  takeBack(client: LentClient): void {
    client.answerTimeout = answerTimeout(this.#limits.statementTimeout, this.#limits.answerGrace);
    if (client.dead) this.#suspected = performance.now();
    if (client.silentSince) this.#distrusted = Math.max(this.#distrusted, client.silentSince);
    client.release(client.dead);
  }

  /** Why nobody gets a connection, while the server is away. */
  unreachable(): Error | undefined {
    return this.outage && explainFailure(this.outage.error.cause, this.#connection);
  }

  /** Opens connections until there are `min`; where the server is away, for as long as it takes. */
  fill(): Promise<void> {
    this.#filling ??= this.#fill().finally(() => {
      this.#filling = undefined;
    });
    return this.#filling;
  }

  /** Waits until `min` connections are open. @throws UserError when one cannot be opened */
  ready(): Promise<void> {
    return this.#openMissing();
  }

  /** Closes all connections; those that are lent, when they come back. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#pool.end();
  }

  /** Whether nothing has happened since it was heard that casts a doubt on it. */
  #isTrusted({ dead, heard }: PooledClient): boolean {
    return !dead && heard >= this.#suspected && heard >= this.#distrusted;
  }

  async #lives(client: PooledClient): Promise<boolean> {
    if (client.dead || client.heard < this.#distrusted) return false;
    const silence = performance.now() - client.heard;
    if (silence < this.#limits.freshFor && this.#isTrusted(client)) {
      // Its end may have arrived here unread. Two turns of the event loop read every socket, at no round trip.
      if (silence > sameMoment) {
        await turn();
        await turn();
      }
      return !client.dead;
    }
    const asked = performance.now();
    const answer = await client.ping(this.#limits.pingTimeout);
    if (answer === "silent") this.#distrusted = asked;
    if (answer === "dead") this.#suspected = asked;
    return answer === "alive";
  }

  async #fill(): Promise<void> {
    for (let attempt = 1; !this.#closed; attempt++) {
      try {
        await this.#openMissing();
        return;
      } catch {
        await sleep(backoff(attempt, firstPause, longestPause), undefined, { ref: false });
      }
    }
  }

  /** One attempt, which everybody shares who asks meanwhile. */
  #openMissing(): Promise<void> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<void> {
    const missing = Math.max(this.#limits.min - this.#pool.totalCount, 0);
    const opened = await Promise.allSettled(Array.from({ length: missing }, () => openOne(this.#pool)));
    const failed = opened.find(({ status }) => status === "rejected") as PromiseRejectedResult | undefined;
    if (!failed) return;
    this.#noteOutage(failed.reason);
    throw explainFailure(failed.reason, this.#connection);
  }

  #noteOutage(error: unknown): void {
    if (this.outage || this.#closed || !isPassing(error)) return;
    this.outage = { since: new Date(), error: explainFailure(error, this.#connection) };
    this.#tell.outage(this.outage);
  }
}
