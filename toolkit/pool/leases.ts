import type pg from "pg";
import type { PooledClient } from "./client.ts";
import { describeHolder, type Holder, type Trace } from "./holders.ts";

/** A connection that is lent, until it is given back. */
export interface Lease {
  client: pg.PoolClient & PooledClient;
  /** Gives it back. Once; again does nothing. */
  end(): void;
}

/** Who has which connection, and which of them for too long. */
export class Leases {
  readonly #open = new Map<Lease, { trace: Trace; at: number }>();
  readonly #leakAfter: number;
  readonly #leaked: (holder: Holder) => void;

  /**
   * @param leakAfter milliseconds; 0 never reports
   * @param leaked told once of each lease that is older than that
   */
  constructor(leakAfter: number, leaked: (holder: Holder) => void) {
    this.#leakAfter = leakAfter;
    this.#leaked = leaked;
  }

  /** Starts a lease. @param takeBack called when it ends */
  start(client: Lease["client"], trace: Trace, takeBack: () => void): Lease {
    const at = performance.now();
    const report = () => this.#leaked(describeHolder(client, trace, at));
    const timer = this.#leakAfter > 0 ? setTimeout(report, this.#leakAfter).unref() : undefined;
    const lease: Lease = {
      client,
      end: () => {
        if (!this.#open.delete(lease)) return;
        clearTimeout(timer);
        takeBack();
      },
    };
    this.#open.set(lease, { trace, at });
    return lease;
  }

  /** Who has connections, the one that has had it longest first. */
  holders(): Holder[] {
    return Array.from(this.#open, ([{ client }, { trace, at }]) => describeHolder(client, trace, at));
  }

  /** Ends every lease over its holder's head: what runs on it fails with `failure`. */
  cutOff(failure: Error): void {
    for (const lease of this.#open.keys()) {
      lease.client.destroy(failure);
      lease.end();
    }
  }
}
