import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../errors.ts";
import type { Lease } from "./leases.ts";
import { forPeople } from "./statementText.ts";

/** Who has a connection of the pool. */
export interface Holder {
  /** The code that took it: function, file and line. */
  takenBy: string;
  /** The whole stack of that moment; of query(), that of a call with the same text at most a second before. */
  stack: string;
  since: Date;
  heldMilliseconds: number;
  /** The backend, as pg_stat_activity shows it. */
  pid: number | undefined;
  /** What it does: "running" a statement, or "idle" after one; literals are left out of `statement`. */
  state: "running" | "idle";
  /** The one that runs, or the last one; undefined before the first. */
  statement: string | undefined;
  /** How long it has been in this state. */
  stateMilliseconds: number;
}

/** Describes who has a connection. */
export function describeHolder({ client, trace, at }: Lease): Holder {
  const now = performance.now();
  const statement = client.running ?? (client.last && client.last.at >= at ? client.last : undefined);
  // The first line repeats "Error"; the rest are the frames.
  const stack = (trace.stack ?? "").split("\n").slice(1).join("\n");
  return {
    takenBy: placeIn(stack),
    stack,
    since: new Date(Date.now() - (now - at)),
    heldMilliseconds: Math.round(now - at),
    pid: client.pid,
    state: client.running ? "running" : "idle",
    statement: statement && forPeople(statement.text),
    stateMilliseconds: Math.round(now - (statement?.at ?? at)),
  };
}

/** The first frame that is the application's: "function (file:line:column)", the file relative to the current folder. */
function placeIn(stack: string): string {
  const frames = stack.split("\n").map((line) => line.trim().replace(/^at (async )?/, ""));
  const own = frames.find((frame) => frame && !/node_modules|node:|<anonymous>/.test(frame)) ?? frames[0];
  if (!own) return "unknown code";
  return own.replace(/(?:file:\/\/)?\/[^()]*?(?=:\d+:\d+\)?$)/, (file) =>
    relative(process.cwd(), file.startsWith("file:") ? fileURLToPath(file) : file),
  );
}

// More than this many places in one message nobody reads; getConnectionPoolStatus() has them all.
const shownPlaces = 5;

/** A request for a connection that was not served in time. */
export class PoolTimeoutError extends UserError {
  /** Who had the connections at that moment. */
  readonly holders: Holder[];

  constructor(what: string, holders: Holder[], fix: string) {
    super(what, { why: explainHolders(holders), fix });
    this.name = "PoolTimeoutError";
    this.holders = holders;
  }
}

/** One line for each place in the code that has connections, the one that has most first. */
function explainHolders(holders: Holder[]): string {
  const places = Object.values(Object.groupBy(holders, ({ takenBy }) => takenBy)) as Holder[][];
  places.sort((one, other) => other.length - one.length || longest(other) - longest(one));
  const lines = places.slice(0, shownPlaces).map((held) => {
    const oldest = held.find(({ heldMilliseconds }) => heldMilliseconds === longest(held))!;
    const doing = oldest.statement
      ? oldest.state === "running"
        ? `running for ${seconds(oldest.stateMilliseconds)}: ${oldest.statement}`
        : `idle for ${seconds(oldest.stateMilliseconds)} after: ${oldest.statement}`
      : "has sent nothing yet";
    return `${oldest.takenBy} has ${held.length}, the oldest for ${seconds(longest(held))}, ${doing}`;
  });
  const left = places.length - lines.length;
  if (left > 0) lines.push(`and ${left} other ${left === 1 ? "place" : "places"}`);
  return lines.join("\n       ") || "Each of them waits for its connection to be opened.";
}

function longest(holders: Holder[]): number {
  return Math.max(...holders.map(({ heldMilliseconds }) => heldMilliseconds));
}

/** A duration for people. */
export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
