import type { Connection } from "../connection.ts";
import { messageOf } from "../errors.ts";
import { codeOf, isGoodbye, neverSent } from "../pool/failures.ts";
import { createPool, type Pool } from "../pool/pool.ts";
import type { RouterLimits, RouterOptions } from "./options.ts";
import { type Observation, Probe } from "./probe.ts";
import type { Behind, Track } from "./track.ts";

/** A server as a router is told of it. */
export interface ServerConfig {
  name: string;
  connection: Connection;
  /** Its share of the reads: 1 for a replica, 0 for the primary when left out. */
  weight?: number;
}

// How much of a new latency counts, as TCP smooths its round-trip times (RFC 6298).
const smoothing = 1 / 8;
const refusals = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "57P03"]);

const notYet = "it has not answered yet";

/** One of a router's servers: its pool, and what is known of it. */
export class Server {
  readonly name: string;
  readonly weight: number;
  readonly pool: Pool;
  /** What it said last. */
  seen: Observation | undefined;
  /** Whether it answered the last time it was asked. */
  answers = false;
  behind: Behind | undefined;
  /** Milliseconds that it takes to answer, smoothed. */
  latency = 0;
  /** Why it has no part in the reads; undefined while it has. */
  out: string | undefined = notYet;
  breaches = 0;
  recoveries: number;
  readonly #probe: Probe;
  readonly #limits: RouterLimits;
  #probing: Promise<void> | undefined;

  constructor({ name, connection, weight }: Required<ServerConfig>, options: RouterOptions, limits: RouterLimits) {
    this.name = name;
    this.weight = weight;
    this.#limits = limits;
    // The first answer of all lets it in.
    this.recoveries = limits.recoveries - 1;
    this.#probe = new Probe(connection, limits.probeTimeout);
    this.pool = createPool(connection, { ...options.pool, outageTimeout: limits.serverPatience });
  }

  /** Milliseconds behind the primary. */
  get lag(): number {
    return this.behind?.milliseconds ?? 0;
  }

  /** Asks the server what it is; whoever asks meanwhile shares the answer. */
  probe(then: (failure?: unknown) => void): Promise<void> {
    this.#probing ??= this.#look(then).finally(() => {
      this.#probing = undefined;
    });
    return this.#probing;
  }

  /** Judges what was seen of a standby last. @returns whether it left the reads, or came back to them */
  judge(track: Track, timeline: number): "left" | "returned" | undefined {
    this.behind = this.seen && track.behind(this.seen.position);
    return this.#note(this.#wrong(timeline), false);
  }

  /** Notes that the server did not answer. @returns whether it left the reads */
  fail(error: unknown): "left" | "returned" | undefined {
    this.answers = false;
    return this.#note(`it does not answer: ${messageOf(error).split("\n")[0]}`, isRefusal(error));
  }

  async end(): Promise<void> {
    this.#probe.end();
    await this.pool.end();
  }

  async #look(then: (failure?: unknown) => void): Promise<void> {
    try {
      this.seen = await this.#probe.look();
    } catch (error) {
      then(error);
      return;
    }
    this.latency += (this.seen.latency - this.latency) * (this.answers ? smoothing : 1);
    this.answers = true;
    then();
  }

  #wrong(timeline: number): string | undefined {
    const { maxLag, maxLagBytes } = this.#limits;
    const { bytes = 0, milliseconds = 0 } = this.behind ?? {};
    const own = this.seen?.timeline ?? timeline;
    if (own < timeline) return `it follows timeline ${own}, and the primary is on ${timeline}`;
    if (milliseconds > maxLag) return `it is ${Math.round(milliseconds)} ms behind, and maxLag is ${maxLag} ms`;
    if (bytes > maxLagBytes) return `it is ${bytes} bytes behind, and maxLagBytes is ${maxLagBytes}`;
    return undefined;
  }

  #note(wrong: string | undefined, atOnce: boolean): "left" | "returned" | undefined {
    this.breaches = wrong ? this.breaches + 1 : 0;
    this.recoveries = wrong ? 0 : this.recoveries + 1;
    const wasOut = this.out !== undefined;
    const isFirst = this.out === notYet;
    if (wrong && (wasOut || atOnce || this.breaches >= this.#limits.breaches)) this.out = wrong;
    if (!wrong && this.recoveries >= this.#limits.recoveries) this.out = undefined;
    const isOut = this.out !== undefined;
    // The first time it comes it does not come back.
    return wasOut === isOut || isFirst ? undefined : isOut ? "left" : "returned";
  }
}

/** Whether it is certain that nobody serves there now, and no use to ask again to know. */
export function isRefusal(error: unknown): boolean {
  const inner = error instanceof AggregateError ? error.errors[0] : error;
  return (
    refusals.has(codeOf(inner)) ||
    isGoodbye(inner) ||
    neverSent(inner) ||
    /Connection terminated/.test(messageOf(inner))
  );
}
