import type { PoolStatus } from "../pool/status.ts";
import type { Fleet } from "./fleet.ts";
import { formatLsn } from "./lsn.ts";
import type { ReadCounts } from "./router.ts";

/** How a router is, at one moment. Times in milliseconds. */
export interface RouterStatus {
  /** Undefined while there is none. */
  primary: string | undefined;
  /** The highest timeline that a primary was seen on; 0 before the first. */
  timeline: number;
  servers: ServerStatus[];
  reads: ReadCounts;
}

export interface ServerStatus {
  name: string;
  /** fenced: it says that it is a primary, and another one is. */
  role: "primary" | "standby" | "fenced" | "unknown";
  weight: number;
  /** Whether reads go to it, and if not, why. */
  takesReads: boolean;
  reason: string | undefined;
  /** How far it is behind the primary; undefined before that is known. */
  lagBytes: number | undefined;
  lag: number | undefined;
  latency: number;
  /** What it has replayed, or written: "16/B374D848". */
  position: string | undefined;
  timeline: number | null | undefined;
  /** How long ago it answered. */
  heard: number | undefined;
  /** Bad answers in a row. */
  breaches: number;
  pool: PoolStatus;
}

/** Tells how the servers are. */
export function statusOf(fleet: Fleet, reads: ReadCounts): RouterStatus {
  const { timeline, fenced } = fleet.leadership;
  const readers = fleet.readers();
  const now = performance.now();
  const servers = fleet.servers.map((server): ServerStatus => {
    const { name, weight, seen, out, behind, latency, breaches, pool } = server;
    const takesReads = readers.includes(server);
    return {
      name,
      role: fenced.includes(name)
        ? "fenced"
        : server === fleet.primary
          ? "primary"
          : seen?.standby
            ? "standby"
            : "unknown",
      weight,
      takesReads,
      reason: takesReads ? undefined : (out ?? (weight === 0 ? "its weight is 0" : undefined)),
      lagBytes: behind?.bytes,
      lag: behind?.milliseconds,
      latency,
      position: seen && formatLsn(seen.position),
      timeline: seen?.timeline,
      heard: seen && now - seen.at,
      breaches,
      pool: pool.getConnectionPoolStatus(),
    };
  });
  return { primary: fleet.primary?.name, timeline, servers, reads: { ...reads } };
}
