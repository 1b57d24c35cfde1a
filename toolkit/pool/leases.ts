import type pg from "pg";
import type { PooledClient } from "./client.ts";
import { describeHolder, type Holder } from "./holders.ts";
import type { Trace } from "./traces.ts";

/** A connection that is lent, until it is given back. */
export interface Lease {
  client: pg.PoolClient & PooledClient;
  /** Where it was taken; set at the latest before its holder waits for anything. */
  trace: Trace;
  /** When, by `performance.now()`. */
  at: number;
  /** As a leak. */
  reported?: boolean;
}

/** Who has which connection, and which of them for too long. */
export class Leases {
  readonly #open = new Set<Lease>();
  readonly #leakAfter: number;
  readonly #leaked: (holder: Holder) => void;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param leakAfter milliseconds; 0 never reports
   * @param leaked told once of each lease that is older than that
   */
  constructor(leakAfter: number, leaked: (holder: Holder) => void) {
    this.#leakAfter = leakAfter;
    this.#leaked = leaked;
  }

  start(lease: Lease): Lease {
    this.#open.add(lease);
    // One timer for all of them: nearly every lease is over before it fires, and has cost none.
    if (this.#leakAfter > 0) this.#timer ??= setTimeout(() => this.#look(), this.#leakAfter).unref();
    return lease;
  }

  /** @returns false where it had ended already */
  end(lease: Lease): boolean {
    return this.#open.delete(lease);
  }

  /** All that are open, the oldest first. */
  all(): Lease[] {
    return [...this.#open];
  }

  /** Who has connections, the one that has had it longest first. */
  holders(): Holder[] {
    return Array.from(this.#open, describeHolder);
  }

  #look(): void {
    this.#timer = undefined;
    const due = performance.now() - this.#leakAfter;
    const unreported = this.all().filter(({ reported }) => !reported);
    for (const lease of unreported.filter(({ at }) => at <= due)) {
      lease.reported = true;
      this.#leaked(describeHolder(lease));
    }
    const next = unreported.find(({ reported }) => !reported);
    if (next) this.#timer = setTimeout(() => this.#look(), Math.max(next.at - due, 1)).unref();
  }
}
