import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../errors.ts";
import type { Watch } from "./blockers.ts";
import { isConnectionLost } from "./failure.ts";
import type { Measured } from "./steps.ts";

// With pauses that double from half a second to 30 s, ten attempts make about two minutes beside the lock timeouts.
const attempts = 10;
const [firstPause, longestPause] = [500, 30_000];
// lock_not_available, deadlock_detected: the transaction is undone, and another attempt may have more luck.
const worthRetrying = new Set(["55P03", "40P01"]);

/**
 * Does something that takes strong locks under a lock timeout, and again when that strikes, after a pause in which
 * others get through: exponential backoff with jitter.
 * @throws UserError that says who was in the way, when no attempt got its lock; anything else that `work` throws
 */
export async function withLockRetries(
  {
    name,
    lockTimeout,
    watch,
    measured,
    say,
  }: {
    name: string;
    /** Milliseconds. */
    lockTimeout: number;
    watch: Watch;
    measured: Measured;
    say: (line: string) => void;
  },
  work: () => Promise<void>,
): Promise<void> {
  for (let tried = 1; ; tried++) {
    const waitedBefore = measured.lockWait;
    try {
      measured.attempts += 1;
      await work();
      return;
    } catch (error) {
      const code = (error as { code?: string }).code ?? "";
      if (isConnectionLost(error) || !worthRetrying.has(code)) throw error;
      // The whole lock timeout was a wait, whether the watch saw it or not.
      if (code === "55P03") measured.lockWait = Math.max(measured.lockWait, waitedBefore + lockTimeout);
      if (tried === attempts)
        throw new UserError(`${name} did not get its lock in ${attempts} attempts of ${lockTimeout} ms`, {
          why: `In the way: ${watch.last() ?? "sessions that have ended since"}. Nothing of ${name} was left behind.`,
          fix: "End that session, or run `up` at a calmer time, or raise database:lockTimeout (others wait that long behind us).",
          cause: error,
        });
      const pause = Math.min(firstPause * 2 ** (tried - 1), longestPause) * (0.5 + Math.random() / 2);
      say(
        `${name}: no lock within ${lockTimeout} ms, held by ${watch.last() ?? "a session that has ended since"}; ` +
          `attempt ${tried + 1} of ${attempts} in ${(pause / 1000).toFixed(1)} s`,
      );
      await sleep(pause);
    }
  }
}
