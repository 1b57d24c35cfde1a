import { limits } from "./limits.ts";

/** What was measured with so many requests under way at once. */
export interface Step {
  concurrency: number;
  perSecond: number;
  p95: number;
}

/** Where throughput stops to grow. */
export interface Knee extends Step {
  best: number;
  /** The throughput of the last step, in per cent of the best. */
  lastShare: number;
}

/** Concurrencies to try: powers of two up to the limit, the limit itself, and twice as many, half of which must wait. */
export function rampUp(connections: number): number[] {
  const powers = Array.from({ length: Math.ceil(Math.log2(connections)) }, (_, n) => 2 ** n);
  return [...powers, connections, 2 * connections];
}

/**
 * The knee of throughput against concurrency: the smallest concurrency that reaches 95 % of the best throughput. Past
 * it more requests only wait for each other, or even hold each other up.
 * @param steps in the order of their concurrency, at least one
 * @see Gunther's Universal Scalability Law, https://www.perfdynamics.com/Manifesto/USLscalability.html
 */
export function findKnee(steps: readonly Step[]): Knee {
  const best = Math.max(...steps.map(({ perSecond }) => perSecond));
  const knee = steps.find(({ perSecond }) => perSecond >= (limits.kneeShare.value / 100) * best)!;
  return { ...knee, best, lastShare: (100 * steps.at(-1)!.perSecond) / best };
}
