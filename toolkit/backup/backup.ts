import { randomBytes } from "node:crypto";

/** A backup that is complete. */
export interface Backup {
  /** Its name among the backups of its target. */
  id: string;
  method: "physical" | "dump" | "snapshot";
  /** Why it was made. */
  reason: string;
  /** UTC, ISO 8601. */
  startedAt: string;
  /** UTC, ISO 8601. */
  finishedAt: string;
  /** What it takes: bytes on disk; of a snapshot, the bytes of its instance's storage. */
  bytes: number;
  /** As the server says it: "17.10". */
  serverVersion: string;
  /** Tells one server from another; empty where the role may not know it. */
  systemIdentifier: string;
  /** The database whose schema and rows are recorded. A physical backup and a snapshot hold all databases. */
  database: string;
  /** Of the schema, as toolkit/migrate/fingerprint.ts makes it; empty for a final backup, which records none. */
  fingerprint: string;
  /** The last migration; empty where there is none. */
  head: string;
  /** Rows of each table by its qualified name: exact for a dump, otherwise as they were when the backup began. */
  rows: Record<string, number>;
  /** Tables that were written to meanwhile: the fewest and the most rows that the backup can hold of them. */
  bounds: Record<string, [number, number]>;
}

/** How a backup is asked for, and who hears of it. */
export interface CreateOptions {
  reason: string;
  /** Gets a line for people about each thing that happens. */
  say: (line: string) => void;
}

const randomLength = 2;

/** A new name: in the order of time, and another one for a second backup in the same second. */
export function newId(startedAt: string): string {
  return `backup-${startedAt.replace(/[-:]|\.\d+/g, "").toLowerCase()}-${randomBytes(randomLength).toString("hex")}`;
}

/** The first part of a server's version. */
export function majorOf(serverVersion: string): string {
  return serverVersion.split(".")[0]!;
}
