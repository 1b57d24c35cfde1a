import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../errors.ts";
import type { Connections } from "./connections.ts";
import { type Holder, PoolTimeoutError } from "./holders.ts";
import { type Lease, Leases } from "./leases.ts";
import type { PoolLimits } from "./options.ts";
import { type FairQueue, fairQueue } from "./queue.ts";
import type { Trace } from "./traces.ts";
import { Waits } from "./waits.ts";

/** What those who watch are told of. */
export interface LendingEvents {
  leak(holder: Holder): void;
  /** @param high whether utilisation rose above highUtilisation, or fell to normalUtilisation */
  utilisation(high: boolean): void;
}

/** Lends connections: who asks first gets one first, in time or not at all, and what is lent is kept account of. */
export class Lending {
  readonly leases: Leases;
  readonly queue: FairQueue;
  readonly waits = new Waits();
  high = false;
  timeouts = 0;
  readonly #connections: Connections;
  readonly #limits: PoolLimits;
  readonly #events: LendingEvents;
  #ending: Promise<Holder[]> | undefined;
  #emptied: (() => void) | undefined;

  constructor(connections: Connections, limits: PoolLimits, events: LendingEvents) {
    this.#connections = connections;
    this.#limits = limits;
    this.#events = events;
    this.queue = fairQueue(limits.max);
    this.leases = new Leases(limits.leakAfter, events.leak);
  }

  /** inUse as a share of max, in percent. */
  get utilisation(): number {
    return (100 * this.queue.taken) / this.#limits.max;
  }

  /**
   * Lends a connection, without a wait where that is possible: the caller then sends a statement before anything else
   * is done.
   */
  takeNow(trace: Trace): Lease | undefined {
    if (this.#ending || !this.queue.enterNow()) return undefined;
    const at = performance.now();
    const client = this.#connections.lendNow(at);
    if (!client) {
      this.queue.leave();
      return undefined;
    }
    this.#watchUtilisation();
    this.waits.add(0);
    return this.leases.start({ client, trace, at });
  }

  /** @throws PoolTimeoutError when none is free in time, UserError when the server is away or the pool closed */
  async take(trace: Trace): Promise<Lease> {
    if (this.#ending) throw closed();
    const started = performance.now();
    await this.queue.enter(this.#connections.patience(), (before) => this.#overdue(started, before));
    this.#watchUtilisation();
    try {
      const client = await this.#connections.lend(started);
      const at = performance.now();
      this.waits.add(at - started);
      return this.leases.start({ client, trace, at });
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  /** Takes a connection back that nothing runs on, and that no transaction is open on. */
  end(lease: Lease): void {
    if (!this.leases.end(lease)) return;
    this.#connections.takeBack(lease.client);
    this.#leave();
  }

  /** Takes a connection back as its holder leaves it. */
  async endSafely(lease: Lease): Promise<void> {
    const { client } = lease;
    if (client.running) {
      // Nobody waits for its answer, and the next one to have this connection would wait behind it.
      client.destroy(new UserError("the connection was given back while a statement ran on it"));
    } else if (!client.dead && client.getTransactionStatus() !== "I") {
      const rollback = { text: "rollback", query_timeout: this.#limits.pingTimeout };
      await (client.query(rollback) as Promise<unknown>).catch(() => {
        client.dead = true;
      });
    }
    this.end(lease);
  }

  /** Serves who has already asked, and closes. @param timeout milliseconds @returns whom it cut off then */
  close(timeout: number): Promise<Holder[]> {
    this.#ending ??= this.#drain(timeout);
    return this.#ending;
  }

  /** The end of a wait in the queue, unless the server has gone away meanwhile: then it is longer. */
  #overdue(started: number, before: number): Error | number {
    const patience = this.#connections.patience();
    const left = started + patience - performance.now();
    if (left > 0) return left;
    this.timeouts += 1;
    const { max } = this.#limits;
    const place = before === 0 ? "this request is the next" : `${before} more came before this one`;
    return (
      this.#connections.unreachable() ??
      new PoolTimeoutError(
        `no connection became free within ${patience} ms: all ${max} of the pool are in use, and ${place}`,
        this.leases.holders(),
        `Give connections back sooner, or raise max (${max}) if the server has room: see runbooks/pool-exhausted.md.`,
      )
    );
  }

  #leave(): void {
    this.queue.leave();
    this.#watchUtilisation();
    if (this.queue.taken === 0) this.#emptied?.();
  }

  #watchUtilisation(): void {
    const { highUtilisation, normalUtilisation } = this.#limits;
    const high = this.utilisation > (this.high ? normalUtilisation : highUtilisation);
    if (high === this.high) return;
    this.high = high;
    this.#events.utilisation(high);
  }

  async #drain(timeout: number): Promise<Holder[]> {
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve;
      if (this.queue.taken === 0) resolve();
    });
    const clock = new AbortController();
    await Promise.race([emptied, sleep(timeout, undefined, { signal: clock.signal }).catch(() => {})]);
    clock.abort();
    const cut = this.leases.holders();
    this.queue.refuseAll(closed());
    // Over their holders' heads: what runs fails.
    for (const lease of this.leases.all()) {
      lease.client.destroy(closed());
      this.end(lease);
    }
    await this.#connections.close();
    return cut;
  }
}

function closed(): UserError {
  return new UserError("the pool is closed", { why: "end() was called.", fix: "Make a new pool, or end it later." });
}
