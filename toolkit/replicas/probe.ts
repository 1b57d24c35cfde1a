import type pg from "pg";
import type { Connection } from "../connection.ts";
import { KeptSession } from "../pool/keptSession.ts";
import { parseLsn } from "./lsn.ts";

/** What a server says of itself. Times by `performance.now()`. */
export interface Observation {
  standby: boolean;
  /** What it has replayed, or, as a primary, written. */
  position: bigint;
  /** Of a primary, its own; of a standby, the one it receives: null where its role may not see that, or it receives none. */
  timeline: number | null;
  /** When it was asked. */
  at: number;
  /** Milliseconds until the answer. */
  latency: number;
}

/**
 * Asks one server, over a connection of its own: a pool that is used up is no sign of the server's health. It takes no
 * more than the right to connect; a member of pg_monitor also sees which timeline a standby follows.
 */
export class Probe {
  readonly #session: KeptSession;

  /** @param timeout milliseconds until it gives up connecting, or an answer */
  constructor(connection: Connection, timeout: number) {
    this.#session = new KeptSession(connection, "postgres-from-code router", timeout);
  }

  /** @throws what connecting or asking throws; the next attempt connects again */
  async look(): Promise<Observation> {
    const client: pg.ClientBase = await this.#session.get();
    const at = performance.now();
    try {
      const { rows } = await client.query<{ standby: boolean; position: string; timeline: number | null }>(
        // The file of a position begins with its timeline, in eight hexadecimal digits; a standby has no such function.
        `select standby,
                case when standby then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text as position,
                case when standby then (select received_tli from pg_stat_wal_receiver)
                     else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int end as timeline
           from pg_is_in_recovery() as standby`,
      );
      const { standby, position, timeline } = rows[0]!;
      return { standby, position: parseLsn(position), timeline, at, latency: performance.now() - at };
    } catch (error) {
      this.#session.drop();
      throw error;
    }
  }

  end(): void {
    this.#session.close();
  }
}
