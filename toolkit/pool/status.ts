import type { Outage } from "./connections.ts";
import type { Holder } from "./holders.ts";
import type { WaitPercentiles } from "./waits.ts";

/** How a pool is, at one moment. Times in milliseconds. */
export interface PoolStatus {
  min: number;
  max: number;
  /** Connections that are open, or being opened. */
  total: number;
  /** Open, and lent to nobody. */
  idle: number;
  /** Places that are taken: by connections that are lent, and by requests for which one is being made ready. */
  inUse: number;
  /** Requests that wait for a place. */
  waiting: number;
  /** inUse as a share of max, in percent. */
  utilisation: number;
  /** Whether utilisation was above highUtilisation, and has not been at or below normalUtilisation since. */
  high: boolean;
  /** How long requests waited, from the call until they had a connection. */
  waits: WaitPercentiles;
  /** Requests that got none in time. */
  timeouts: number;
  /** Connections that were reported as leaks, since the pool was made. */
  leaks: number;
  /** Statements and transactions that were tried again, since the pool was made. */
  retries: number;
  /** Set while the server cannot be reached. */
  outage: Outage | undefined;
  /** Who has connections, the one that has had it longest first. */
  holders: Holder[];
}
