import type { Queryable } from "../queryable.ts";
import { cutoffOf, packedPeriods, partitionsBefore, requireStore } from "./store.ts";

/** What is packed, and what waits for it. */
export interface Status {
  cutoff: string;
  packed: { rows: number; bytes: number; from: string | null; to: string | null };
  /** Partitions with plain rows that are old enough: those to be packed, and the one for late rows. */
  waiting: string[];
  waitingBytes: number;
}

/** Reads what is packed, and what a run of pack would pack. */
export async function status(client: Queryable, olderThan: string): Promise<Status> {
  await requireStore(client);
  const cutoff = await cutoffOf(client, olderThan);
  const periods = await packedPeriods(client);
  const { rows } = await client.query(
    `select (pg_total_relation_size('packed.price_history_chunk')
             + pg_total_relation_size('packed.price_history_day'))::float8 as bytes`,
  );
  const waiting = (await partitionsBefore(client, cutoff)).filter(({ filled }) => filled);
  return {
    cutoff,
    packed: {
      rows: periods.reduce((sum, period) => sum + period.rows, 0),
      bytes: rows[0].bytes,
      from: periods[0]?.from ?? null,
      to: periods.at(-1)?.to ?? null,
    },
    waiting: waiting.map(({ name }) => name),
    waitingBytes: waiting.reduce((sum, partition) => sum + partition.bytes, 0),
  };
}
