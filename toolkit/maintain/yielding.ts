import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { messageOf } from "../errors.ts";
import { readProgress, reportProgress } from "../migrate/progress.ts";
import type { Session } from "./session.ts";
import type { Outcome } from "./step.ts";

/** How long a statement may wait for others, who do not wait for it. */
export interface Patience {
  /** Milliseconds; REINDEX CONCURRENTLY waits for every transaction that is older. A minute. */
  waitLimit?: number;
}

// Milliseconds. Whoever has to wait for us does so hardly longer than this.
const lookInterval = 250;
const defaultWaitLimit = 60_000;
// A cancel request arrives a moment after it was sent; by then the statement that it was meant for may be over.
const cancelArrival = 0.1;

/**
 * Runs a statement of the worker, or work of several, so that it is in nobody's way: as soon as another session waits for a lock of ours it is
 * cancelled; so is one that waits for others too long, and one that the budget or an interrupt ends. What vacuum has done
 * by then stays done.
 * @param title what is done, for people
 */
export async function runYielding(
  session: Session,
  title: string,
  work: string | (() => Promise<unknown>),
  { waitLimit = defaultWaitLimit }: Patience = {},
): Promise<Outcome> {
  const { worker } = session;
  const left = session.deadline - Date.now();
  if (left <= 0) return { result: "out of time" };
  const warnings: { code?: string | undefined; message?: string | undefined }[] = [];
  const onNotice = (notice: { code?: string | undefined; message?: string | undefined }) => warnings.push(notice);
  const watch = startWatch(session, title, waitLimit);
  worker.on("notice", onNotice);
  try {
    await worker.query(`set statement_timeout = ${Math.ceil(left)}`);
    await (typeof work === "string" ? worker.query(work) : work());
    await watch.stop();
    return outcomeOf(warnings);
  } catch (error) {
    const cancelled = await watch.stop();
    const { code } = error as { code?: string };
    if (code === "57014") return cancelled ?? { result: "out of time", note: "cancelled at the end of the budget" };
    if (code === "55P03") return { result: "skipped", note: "somebody else has the lock" };
    throw error;
  } finally {
    worker.off("notice", onNotice);
    await settle(worker, await watch.stop());
  }
}

/** VACUUM and ANALYZE leave out what they cannot have, with a warning. */
function outcomeOf(warnings: { code?: string | undefined; message?: string | undefined }[]): Outcome {
  if (warnings.some(({ code }) => code === "55P03")) return { result: "skipped", note: "somebody else has the lock" };
  const [first] = warnings;
  return first ? { result: "skipped", note: messageOf(first) } : { result: "done" };
}

async function settle(worker: pg.Client, cancelled: Outcome | undefined): Promise<void> {
  if (cancelled)
    await worker.query(`set statement_timeout = 0; select pg_sleep(${cancelArrival})`).catch((error) => {
      if ((error as { code?: string }).code !== "57014") throw error;
    });
  await worker.query("set statement_timeout = 0");
}

/** Looks again and again, from a session of its own, whether the worker's statement is to be cancelled, and does so. */
function startWatch({ watcher, pid, stop, say }: Session, title: string, waitLimit: number) {
  const ending = new AbortController();
  const report = reportProgress({ title, say });
  let [cancelled, waited]: [Outcome | undefined, number] = [undefined, 0];
  async function watch(): Promise<void> {
    for (;;) {
      await sleep(lookInterval, undefined, { signal: ending.signal });
      const { waiter, waits } = await lookAtLocks(watcher, pid);
      if (waits) waited += lookInterval;
      if (waiter) cancelled = { result: "yielded", note: `session ${waiter} waited for it` };
      else if (stop.now) cancelled = { result: "interrupted" };
      else if (waited > waitLimit)
        cancelled = { result: "skipped", note: `older transactions did not end within ${waitLimit / 1000} s` };
      if (cancelled) {
        await watcher.query("select pg_cancel_backend($1)", [pid]);
        return;
      }
      const seen = await readProgress(watcher, pid);
      if (seen) report.show(seen);
    }
  }
  const ended = watch().catch((error) => {
    // The pause that was broken off. Any other failure must not leave a statement unwatched without a word.
    if ((error as Error).name !== "AbortError") say(`nobody watches for waiting sessions: ${messageOf(error)}`);
  });
  return {
    async stop(): Promise<Outcome | undefined> {
      ending.abort();
      await ended;
      report.stop();
      return cancelled;
    },
  };
}

/** A session that waits for a process, and whether that one itself waits. pg_locks shows both to every role. */
async function lookAtLocks(client: pg.Client, pid: number): Promise<{ waiter: number | null; waits: boolean }> {
  const { rows } = await client.query(
    `select min(pid) filter (where pid <> $1 and $1 = any (pg_blocking_pids(pid))) as waiter,
            coalesce(bool_or(pid = $1), false) as waits
     from pg_locks where not granted`,
    [pid],
  );
  return rows[0];
}
