import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../errors.ts";
import { isDemoted, isPassing, neverSent } from "../pool/failures.ts";
import type { Fleet } from "./fleet.ts";
import type { RouterLimits } from "./options.ts";
import { isRefusal, type Server } from "./server.ts";

/** What is done on the primary. It calls `begin` before it does something that must not be done twice. */
export type Work<T> = (server: Server, begin: () => void) => Promise<T>;

// Milliseconds between looks for a primary while there is none.
const searchPause = 50;

/** Runs `work` on the primary; again, where it cannot have done anything, on the one that is the primary then. */
export async function onPrimary<T>(fleet: Fleet, limits: RouterLimits, work: Work<T>): Promise<T> {
  const deadline = performance.now() + limits.primaryWait;
  for (;;) {
    const server = await waitForPrimary(fleet, limits, deadline);
    let begun = false;
    try {
      return await work(server, () => {
        begun = true;
      });
    } catch (error) {
      const lost = isLost(error);
      if (lost) fleet.suspect(server, error);
      const nothingDone = isDemoted(error) || neverSent(error) || (!begun && lost);
      if (!nothingDone || performance.now() >= deadline) throw error;
      await Promise.race([fleet.look(), sleep(limits.probeTimeout)]);
      // It takes writes, and refuses this one: the transaction or the role is read only, and will be.
      if (isDemoted(error) && fleet.primary === server && server.answers) throw error;
      await sleep(searchPause);
    }
  }
}

async function waitForPrimary(fleet: Fleet, limits: RouterLimits, deadline: number): Promise<Server> {
  for (;;) {
    const { primary } = fleet;
    if (primary) return primary;
    if (performance.now() >= deadline) throw noPrimary(limits.primaryWait);
    await sleep(searchPause);
  }
}

/** Whether a server is away: the pool says so in its own words, with pg's as their cause. */
export function isLost(error: unknown): boolean {
  const { cause } = (error ?? {}) as { cause?: unknown };
  return isRefusal(error) || isPassing(error) || (cause !== undefined && (isRefusal(cause) || isPassing(cause)));
}

/** @param waited milliseconds, 0 where nobody waited */
export function noPrimary(waited: number): UserError {
  return new UserError("none of the servers is a primary", {
    why: `${waited > 0 ? `For ${waited} ms none` : "None"} of them said that it is one, on the highest timeline seen.`,
    fix: "Start the primary, or promote a replica: runbooks/rds-promote-replica.md.",
  });
}
