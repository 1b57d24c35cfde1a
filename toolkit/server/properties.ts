import type { Connection } from "../connection.ts";

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
