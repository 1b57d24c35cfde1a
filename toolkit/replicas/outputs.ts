import type { Connection } from "../connection.ts";
import type { ServerConfig } from "./server.ts";

/** A replica, as a stack's output `replicas` tells of it, on rds and on embedded alike. */
export interface ReplicaOutput {
  name: string;
  /** host:port */
  endpoint: string;
  weight: number;
}

/** The replicas of a stack, for a router: they let in who the primary lets in. */
export function replicasOf(outputs: readonly ReplicaOutput[], primary: Connection): ServerConfig[] {
  return outputs.map(({ name, endpoint, weight }) => {
    const colon = endpoint.lastIndexOf(":");
    return {
      name,
      weight,
      connection: { ...primary, host: endpoint.slice(0, colon), port: Number(endpoint.slice(colon + 1)) },
    };
  });
}
