/** How long requests waited for a connection, in milliseconds, over the last of them. */
export interface WaitPercentiles {
  /** Waits since the pool was made; the percentiles look at the last of them only. */
  count: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

// A thousand waits leave ten above the 99th percentile, and cost 8 KiB.
const remembered = 1_024;

/** Remembers the last waits in a ring: it never grows, and forgets what is long over. */
export class Waits {
  readonly #ring = new Float64Array(remembered);
  #count = 0;

  add(milliseconds: number): void {
    this.#ring[this.#count % remembered] = milliseconds;
    this.#count += 1;
  }

  /** Percentiles by nearest rank: each is a wait that really happened. All 0 before the first. */
  percentiles(): WaitPercentiles {
    const sorted = this.#ring.slice(0, Math.min(this.#count, remembered)).sort();
    const at = (share: number) => sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)] ?? 0;
    return { count: this.#count, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
  }
}
