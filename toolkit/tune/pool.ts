import type { Workload } from "./rules.ts";

/** How many sessions do work at once, for each processor. */
const perCpu: Record<Workload, { sessions: number; why: string; source: string }> = {
  oltp: {
    sessions: 2,
    why: "cores x 2 + 1: more sessions only wait for each other; one for the disk, which is an SSD",
    source:
      "https://wiki.postgresql.org/wiki/Number_Of_Database_Connections#How_to_Find_the_Optimal_Database_Connection_Pool_Size",
  },
  mixed: {
    sessions: 2,
    why: "cores x 2 + 1: more sessions only wait for each other; one for the disk, which is an SSD",
    source:
      "https://wiki.postgresql.org/wiki/Number_Of_Database_Connections#How_to_Find_the_Optimal_Database_Connection_Pool_Size",
  },
  analytics: {
    sessions: 1,
    why: "cores + 1: a query of this kind takes several processors by itself",
    source: "https://www.postgresql.org/docs/current/how-parallel-query-works.html",
  },
};

/** Sessions beside those of the pools, which must find a place when the pools are full. */
export const headroom: { what: string; sessions: number; source: string }[] = [
  {
    what: "superuser_reserved_connections",
    sessions: 3,
    source: "https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-SUPERUSER-RESERVED-CONNECTIONS",
  },
  {
    what: "migrations, loads and backups",
    sessions: 10,
    source: "https://www.postgresql.org/docs/current/app-pgdump.html",
  },
  {
    what: "monitoring and RDS's own sessions",
    sessions: 7,
    source: "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_LogAccess.Concepts.PostgreSQL.html",
  },
  {
    what: "people with psql",
    sessions: 5,
    source: "https://www.postgresql.org/docs/current/app-psql.html",
  },
];

// While a deployment replaces processes one by one, the old and the new ones run side by side.
const deployment = 2;

// A request that holds a connection and asks for a second one must not wait for itself.
const leastForPool = 2;

// PostgreSQL's own default: below it, a session that is not used costs next to nothing.
const leastConnections = 100;

/** The sizes of pools, and what they ask of the server. */
export interface PoolSizes {
  processes: number;
  /** `min` and `max` of toolkit/pool, in each process. */
  min: number;
  max: number;
  /** Sessions of all pools together. */
  total: number;
  /** The server's max_connections that holds them twice, and the headroom. */
  maxConnections: number;
  why: string;
  source: string;
}

/** How many sessions pools of so many processes should have. @param connections sessions of all of them, where that is given */
export function poolSizes(need: {
  cpus: number;
  workload: Workload;
  processes: number;
  connections?: number;
}): PoolSizes {
  const { cpus, workload, processes, connections } = need;
  const { sessions, why, source } = perCpu[workload];
  const wanted = connections ?? sessions * cpus + 1;
  const max = Math.max(connections ? Math.floor(wanted / processes) : Math.ceil(wanted / processes), leastForPool);
  const total = max * processes;
  const others = headroom.reduce((sum, { sessions: few }) => sum + few, 0);
  const maxConnections = Math.max(Math.ceil((total * deployment + others) / 10) * 10, leastConnections);
  return {
    processes,
    min: Math.ceil(max / 2),
    max,
    total,
    maxConnections,
    why: connections ? "what --connections asks for, shared by the processes" : why,
    source,
  };
}
