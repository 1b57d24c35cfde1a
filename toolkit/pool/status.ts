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
