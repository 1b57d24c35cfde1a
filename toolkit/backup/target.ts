/** How a database is backed up, and where its backups are. */
export type BackupTarget =
  /** On this machine: a physical backup where the data folder is readable here, otherwise pg_dump where it is on PATH. */
  | { kind: "auto"; directory: string }
  /** A snapshot of an RDS instance, by the AWS SDK and its usual credentials. */
  | { kind: "rds"; instanceIdentifier: string; region: string; endpoint?: string };
