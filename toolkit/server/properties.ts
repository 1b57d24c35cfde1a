import type { Connection } from "../connection.ts";

/** A streaming replica of an embedded server, in the form in which an RDS stack tells of its own. */
export interface LocalReplica {
  name: string;
  /** host:port, on the loopback. */
  endpoint: string;
  region: "local";
  /** Its share of the reads, beside the weights of the others. */
  weight: number;
  /** Who is promoted first when the primary is lost: the lowest. */
  promotionTier: number;
}

/** What the program asks of an embedded server. */
export interface ServerInputs {
  /** The server's folder, relative to the project's root, which is the current folder. */
  directory: string;
  port: number;
  /** The major version. */
  version: string;
  /** The database that must exist. */
  database: string;
  /** PostgreSQL's settings by name, as `postgresql.conf` takes them. */
  settings: Record<string, string>;
  /** Whether destroy keeps a copy of the data. */
  finalBackup: boolean;
  /** The folder of a final backup that a new server starts from. */
  restoreFrom?: string;
  /** Its streaming replicas; none, if left out. */
  replicas?: LocalReplica[];
}

/** What is known of an embedded server once it runs. */
export interface ServerOutputs extends ServerInputs {
  /** The superuser's password; a secret. */
  password: string;
  /** How to reach `database`; a secret. */
  connection: Connection;
  /** As the server says it: "17.10". */
  serverVersion: string;
  systemIdentifier: string;
  /** The absolute path of the data folder. */
  dataDirectory: string;
}
