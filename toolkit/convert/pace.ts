import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../connection.ts";
import type { Names } from "./names.ts";
import { applicationName, type Session } from "./session.ts";

// A probe that is too frequent is traffic itself.
const probeInterval = 20;
const lagInterval = 1_000;
const [smallest, largest] = [1, 16_384];

/** Decides how large batches are and how long to wait between them, by what the live traffic feels. */
export interface Pace {
  /** Blocks of the next batch. */
  blocks(): number;
  /** Tells what a batch took, in milliseconds; rests after it, and waits while replicas are behind. */
  after(batchMilliseconds: number): Promise<void>;
  /** What a person may want to know: "batches of 120 blocks, live reads 3 ms". */
  note(): string;
  stop(): Promise<void>;
}

/**
 * Batches aim at a time: they grow when fast, and halve when slow, when a read of another session took too long during
 * the batch, or when sessions waited for us. The reads are our own, in a session beside, of one row of the live table:
 * what they feel the application feels.
 */
export async function makePace(session: Session, { live }: Names): Promise<Pace> {
  const { settings, client } = session;
  const probe = await connect(session.connection, { applicationName: `${applicationName} probe` });
  const stopping = new AbortController();
  const pid = (client as unknown as { processID: number }).processID;
  let size = settings.batchBlocks;
  let [worst, lastWorst, blocked, lastLagLook] = [0, 0, 0, 0];

  async function watch(): Promise<void> {
    for (;;) {
      const started = performance.now();
      const { rows } = await probe.query(
        `select (select count(*)::int from pg_locks where not granted and pid in
                  (select pid from pg_stat_activity where wait_event_type = 'Lock') and $1 = any (pg_blocking_pids(pid)))
                as blocked, (select true from ${live} limit 1)`,
        [pid],
      );
      worst = Math.max(worst, performance.now() - started);
      blocked += rows[0].blocked;
      await sleep(probeInterval, undefined, { signal: stopping.signal });
    }
  }
  // Ends by the abort; a probe whose session is lost ends too, and copying goes on by the time of its batches alone.
  const watching = watch().catch(() => {});

  async function waitForReplicas(): Promise<void> {
    if (Date.now() - lastLagLook < lagInterval) return;
    for (let told = false; ; told = true) {
      lastLagLook = Date.now();
      const { rows } = await client.query(
        `select coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(replay_lsn, sent_lsn))), 0)::float8 as lag
         from pg_stat_replication where state = 'streaming'`,
      );
      if (rows[0].lag <= settings.maxReplicaLag) return;
      if (!told) settings.say(`a replica is ${Math.round(rows[0].lag / 1048576)} MiB behind: copying pauses`);
      await sleep(lagInterval);
    }
  }

  return {
    blocks: () => size,
    async after(batchMilliseconds) {
      const slow = blocked > 0 || worst > settings.maxLatency || batchMilliseconds > 2 * settings.batchTime;
      const factor = slow ? 0.5 : Math.min(Math.max(settings.batchTime / Math.max(batchMilliseconds, 1), 0.5), 1.5);
      size = Math.min(Math.max(Math.round(size * factor), smallest), largest);
      [lastWorst, worst, blocked] = [worst, 0, 0];
      await waitForReplicas();
      const share = settings.rest / (1 - settings.rest);
      const pause = batchMilliseconds * (slow ? Math.max(share, 0.25) : share);
      if (pause >= 1) await sleep(pause);
    },
    note: () => `${size} blocks a batch, live reads ${lastWorst.toFixed(0)} ms`,
    async stop() {
      stopping.abort();
      await watching;
      await probe.end().catch(() => {});
    },
  };
}
