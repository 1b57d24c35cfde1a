import type { Connection } from "../connection.ts";
import { type Ensured, ensurePartitions } from "./ensure.ts";
import { type Retained, type RetainOptions, retainPartitions } from "./retain.ts";

/** What the regular upkeep of all partitions did. */
export interface Maintained {
  ensured: Ensured[];
  retained: Retained[];
}

/** The part of a maintenance run that is about partitions: what is missing is made, and what has expired goes. */
export async function maintainPartitions(connection: Connection, options: RetainOptions = {}): Promise<Maintained> {
  const ensured = await ensurePartitions(connection, options);
  return { ensured, retained: await retainPartitions(connection, options) };
}
