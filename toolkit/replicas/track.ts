/** Where the primary was at a moment, by `performance.now()`. */
interface Sample {
  position: bigint;
  at: number;
}

// Ten minutes at two a second: a replica further behind is behind by at least as much, and out for long.
const remembered = 1_200;

/**
 * Where the primary was, and when. By it a replica's lag is a time that no clock of a server is needed for, and that is
 * 0 while the primary is idle: now() - pg_last_xact_replay_timestamp() grows then.
 */
export class Track {
  readonly #samples: Sample[] = [];

  add(position: bigint, at: number): void {
    const last = this.#samples.at(-1);
    if (last && last.position >= position) {
      last.at = at;
      return;
    }
    this.#samples.push({ position, at });
    if (this.#samples.length > remembered) this.#samples.shift();
  }

  /** Forgets everything: another primary has other positions. */
  clear(): void {
    this.#samples.length = 0;
  }

  /** How far a server is behind that has replayed up to `position`; undefined before the first sample. */
  behind(position: bigint): Behind | undefined {
    const newest = this.#samples.at(-1);
    if (!newest) return undefined;
    const reached = this.#samples.findLast((sample) => sample.position <= position) ?? this.#samples[0]!;
    const bytes = newest.position > position ? Number(newest.position - position) : 0;
    return { bytes, milliseconds: bytes === 0 ? 0 : newest.at - reached.at, reachedAt: reached.at };
  }
}

export interface Behind {
  bytes: number;
  milliseconds: number;
  /** The server has all that was committed before this moment, by `performance.now()`. */
  reachedAt: number;
}
