import type { RouterLimits } from "./options.ts";

/** A server that a read may go to. */
export interface Candidate {
  weight: number;
  /** Milliseconds that it takes to answer. */
  latency: number;
  /** Milliseconds behind the primary. */
  lag: number;
}

/**
 * A server's share of the reads, beside the shares of the others: its weight, less in proportion as it answers more
 * slowly than the fastest, and as its lag nears the limit.
 */
export function shareOf(candidate: Candidate, fastest: number, limits: RouterLimits): number {
  const latency = (milliseconds: number) => Math.max(milliseconds, limits.latencyFloor);
  const freshness = Math.max(1 - candidate.lag / limits.maxLag, 0);
  return candidate.weight * (latency(fastest) / latency(candidate.latency)) * freshness;
}

/**
 * Chooses one by chance, by the shares.
 * @param chance from 0 to 1, without 1
 */
export function choose<T extends Candidate>(
  candidates: readonly T[],
  limits: RouterLimits,
  chance = Math.random(),
): T | undefined {
  const fastest = Math.min(...candidates.map(({ latency }) => latency));
  const shares = candidates.map((candidate) => shareOf(candidate, fastest, limits));
  let left = chance * shares.reduce((sum, share) => sum + share, 0);
  return candidates.find((_, index) => {
    left -= shares[index]!;
    return left < 0;
  });
}
