import { setTimeout as pause } from "node:timers/promises";
import { watch } from "../backup/watch.ts";
import { UserError } from "../errors.ts";
import type { Session } from "./session.ts";

/** What a look at something long has shown. */
export interface Look<T> {
  /** The status, in AWS's words. */
  status: string;
  /** Given once it is done. */
  done: T | undefined;
}

/** Statuses that do not pass by themselves. */
const failed =
  /^(failed|incompatible-.*|restore-error|inaccessible-.*|deleting|INVALID_CONFIGURATION|SWITCHOVER_FAILED|PROVISIONING_FAILED|DELETING)$/;

/**
 * Waits until something is done, and shows how far it is. In a dry run it only prints the call by which it would look.
 * @param minutes the time after which it gives up; what AWS does goes on, and the same command goes on waiting
 * @throws UserError when it fails, or takes too long
 */
export async function waitFor<T>(
  session: Session,
  title: string,
  minutes: number,
  look: () => Promise<Look<T>>,
): Promise<T> {
  const { dry, say, pollInterval, timeout = minutes } = session;
  if (dry) return lookOnce(dry, look);
  const started = Date.now();
  const bar = watch({ title, total: 0, say });
  try {
    for (;;) {
      const { status, done } = await look();
      if (done !== undefined) return done;
      if (failed.test(status))
        throw new UserError(`${title}: the status is ${status}`, {
          fix: `See why: aws rds describe-events --duration 1440 --region ${session.region}, or the console.`,
        });
      if (Date.now() - started >= timeout * 60_000)
        throw new UserError(`${title}: still ${status} after ${timeout} minutes`, {
          why: "AWS has not said that it failed: it goes on without us.",
          fix: "Run the same command again to go on waiting, or give it a longer --timeout.",
        });
      bar.update(0, status);
      await pause(pollInterval);
    }
  } finally {
    bar.stop();
  }
}

async function lookOnce<T>(dry: { ask: boolean }, look: () => Promise<Look<T>>): Promise<T> {
  const before = dry.ask;
  dry.ask = false;
  try {
    return (await look()).done!;
  } finally {
    dry.ask = before;
  }
}
