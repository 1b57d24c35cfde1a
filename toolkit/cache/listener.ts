import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { type Connection, connect } from "../connection.ts";
import { messageOf } from "../errors.ts";
import type { CacheLimits } from "./options.ts";
import { channel } from "./watch.ts";

/** What a listener tells; each is called at once, before anything that waits for it goes on. */
export interface ListenerEvents {
  /** A transaction was committed that changed this table. */
  changed(tag: string): void;
  /** From now on every change is told. */
  listening(): void;
  /** From now on changes may be missed. */
  lost(why: string): void;
  /** Asked at each heartbeat, of the session that listens. */
  heartbeat(session: pg.ClientBase): Promise<void>;
}

/** A session of its own that hears what is announced, and replaces itself when it is lost. */
export class Listener {
  /** Set while changes are told. */
  session: pg.Client | undefined;
  readonly #limits: CacheLimits;
  readonly #events: ListenerEvents;
  readonly #closed = new AbortController();
  #turn: Promise<unknown> = Promise.resolve();
  #round: Promise<void> | undefined;
  #nextRound: Promise<void> | undefined;

  constructor(connection: Connection, limits: CacheLimits, events: ListenerEvents) {
    this.#limits = limits;
    this.#events = events;
    void this.#keepListening(connection);
  }

  /**
   * Waits until everything is told that was committed before this call, or until the session is lost.
   *
   * It takes one empty query on the session that listens. A transaction that announces signals the listeners as part of
   * its commit, before its client hears of it; a signal is there when the next system call returns, so before our
   * query is read; and since PostgreSQL 14 what is pending is sent before the server says that it is ready again.
   * So no notification of our own is needed, which would take the server's lock and wake every other listener.
   * Calls that come together share one query.
   * @see https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/tcop/postgres.c "Process incoming notifies"
   */
  settle(): Promise<void> {
    if (!this.session) return Promise.resolve();
    // The query that is under way may be older than the commit: the one after it counts.
    this.#nextRound ??= (this.#round ?? Promise.resolve()).then(() => {
      this.#round = this.#nextRound;
      this.#nextRound = undefined;
      return this.ask((session) => session.query("")).then(() => {});
    });
    return this.#nextRound;
  }

  /** Asks the session something, when its turn comes. Where it does not answer in time it is lost, and the result undefined. */
  ask<T>(question: (session: pg.ClientBase) => Promise<T>): Promise<T | undefined> {
    const answer = this.#turn.then(() => this.#ask(question));
    this.#turn = answer;
    return answer;
  }

  async #ask<T>(question: (session: pg.ClientBase) => Promise<T>): Promise<T | undefined> {
    const { session } = this;
    if (!session) return undefined;
    const timer = setTimeout(() => this.#lose(session, "it does not answer"), this.#limits.answerTimeout);
    try {
      return await question(session);
    } catch (error) {
      this.#lose(session, messageOf(error));
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Stops listening. */
  end(): void {
    this.#closed.abort();
    if (this.session) this.#lose(this.session, "the cache was ended");
  }

  async #keepListening(connection: Connection): Promise<void> {
    const { signal } = this.#closed;
    const { reconnectAfter, heartbeat } = this.#limits;
    let pause = reconnectAfter;
    while (!signal.aborted) {
      const session = await this.#open(connection).catch((error) => this.#events.lost(messageOf(error)));
      if (session) pause = reconnectAfter;
      const gone = new AbortController();
      session?.once("end", () => gone.abort());
      while (session && this.session === session) {
        await sleep(heartbeat, undefined, { signal: gone.signal, ref: false }).catch(() => {});
        if (this.session === session) await this.ask((asked) => this.#events.heartbeat(asked));
      }
      await sleep(pause, undefined, { signal }).catch(() => {});
      pause = Math.min(2 * pause, 20 * reconnectAfter);
    }
  }

  async #open(connection: Connection): Promise<pg.Client> {
    const { answerTimeout } = this.#limits;
    const session = await connect(connection, { applicationName: "cache listener", connectTimeout: answerTimeout });
    session.on("notification", ({ payload }) => {
      if (this.session === session && payload) this.#events.changed(payload);
    });
    session.on("error", (error) => this.#lose(session, messageOf(error)));
    session.on("end", () => this.#lose(session, "the connection ended"));
    try {
      await session.query({ text: `listen ${channel}`, query_timeout: answerTimeout } as pg.QueryConfig);
      this.#closed.signal.throwIfAborted();
    } catch (error) {
      this.#lose(session, messageOf(error));
      throw error;
    }
    this.session = session;
    this.#events.listening();
    return session;
  }

  #lose(session: pg.Client, why: string): void {
    if (this.session === session) {
      this.session = undefined;
      this.#events.lost(why);
    }
    // Without a goodbye: a network that hangs would keep it, and whoever waits for its answer.
    (session as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }
}
