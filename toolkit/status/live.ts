import { setTimeout as wait } from "node:timers/promises";
import { messageOf } from "../errors.ts";
import type { Snapshot } from "../monitor/snapshot.ts";
import { type Line, piece } from "./lines.ts";
import { ratesBetween } from "./rates.ts";
import type { Sampler } from "./sampler.ts";
import { Screen } from "./screen.ts";
import { type Seen, view } from "./view.ts";

/**
 * Shows the database on a terminal, again and again, until q or Ctrl-C. A server that goes away is said to be, with
 * what was last seen of it, and tried again.
 * @param interval seconds between two snapshots
 * @returns the exit code
 * @throws UserError when the first attempt to connect fails; then the terminal was not touched
 */
export async function showLive(sampler: Sampler, interval: number): Promise<number> {
  let seen: Seen = { taken: await sampler.sample(), rates: undefined };
  let lost: string | undefined;
  const screen = new Screen(process.stdin, process.stdout, () => draw());
  function draw(): void {
    screen.draw([...view(seen, screen.rows - 1, screen.columns), ...footer(lost, interval)]);
  }
  try {
    draw();
    for (;;) {
      const next = await Promise.race([screen.ended, look(sampler, interval)]);
      if (typeof next === "number") return next;
      if ("lost" in next) lost = next.lost;
      else [seen, lost] = [{ taken: next.taken, rates: ratesBetween(seen.taken, next.taken) }, undefined];
      draw();
    }
  } finally {
    screen.close();
  }
}

async function look(sampler: Sampler, interval: number): Promise<{ taken: Snapshot } | { lost: string }> {
  // The wait does not keep the process alive: the terminal's input does, until it is given back.
  await wait(interval * 1000, undefined, { ref: false });
  return sampler.sample().then(
    (taken) => ({ taken }),
    (error) => ({ lost: messageOf(error).split("\n")[0]! }),
  );
}

function footer(lost: string | undefined, interval: number): Line[] {
  return lost === undefined
    ? [[piece(`q quits; every ${interval} s`, "dim")]]
    : [[piece("lost, trying again", ["red", "bold"]), piece(` (q quits): ${lost}`)]];
}
