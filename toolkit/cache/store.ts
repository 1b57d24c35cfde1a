import { LRUCache } from "lru-cache";
import { freezeAndWeigh } from "./freeze.ts";
import type { CacheLimits } from "./options.ts";

interface Entry {
  value: object;
  tags: readonly string[];
}

/** A result that is on its way. */
interface Flight {
  result: Promise<object>;
  tags: readonly string[];
  /** Whether a table changed since it began: whoever waits gets it, nobody else. */
  stale: boolean;
}

/** Results by key and by the tables that they come from, bounded by bytes; each is loaded once at a time. */
export class Store {
  invalidations = 0;
  evictions = 0;
  readonly #entries: LRUCache<string, Entry>;
  readonly #keys = new Map<string, Set<string>>();
  readonly #flights = new Map<string, Flight>();

  constructor({ maxBytes, maxEntryBytes, ttl }: CacheLimits) {
    this.#entries = new LRUCache<string, Entry>({
      maxSize: maxBytes,
      maxEntrySize: maxEntryBytes,
      ttl,
      dispose: ({ tags }, key, reason) => {
        if (reason === "evict") this.evictions += 1;
        for (const tag of tags) {
          const keys = this.#keys.get(tag);
          keys?.delete(key);
          if (keys?.size === 0) this.#keys.delete(tag);
        }
      },
    });
  }

  get bytes(): number {
    return this.#entries.calculatedSize;
  }

  get entries(): number {
    return this.#entries.size;
  }

  get(key: string): object | undefined {
    return this.#entries.get(key)?.value;
  }

  /** The result of this key that is on its way. */
  inFlight(key: string): Promise<object> | undefined {
    return this.#flights.get(key)?.result;
  }

  /**
   * Loads a result and keeps it, unless one of its tables changed meanwhile: it may have been read before the change.
   * @throws what `load` throws, to everybody who waits for it
   */
  load(key: string, tags: readonly string[], load: () => Promise<object>): Promise<object> {
    // In the list before the database is asked: no change can come between.
    const flight: Flight = { result: Promise.resolve({}), tags, stale: false };
    this.#flights.set(key, flight);
    flight.result = load().then(
      (value) => {
        const bytes = freezeAndWeigh(value) + freezeAndWeigh(key);
        if (!flight.stale) this.#keep(key, { value, tags }, bytes);
        this.#land(key, flight);
        return value;
      },
      (error) => {
        this.#land(key, flight);
        throw error;
      },
    );
    return flight.result;
  }

  /** Forgets what came from a table. */
  invalidate(tag: string): void {
    for (const [key, flight] of this.#flights) if (flight.tags.includes(tag)) this.#drop(key, flight);
    for (const key of [...(this.#keys.get(tag) ?? [])]) {
      this.invalidations += 1;
      this.#entries.delete(key);
    }
  }

  /** Forgets everything. */
  clear(): void {
    for (const [key, flight] of this.#flights) this.#drop(key, flight);
    this.invalidations += this.#entries.size;
    this.#entries.clear();
  }

  #keep(key: string, entry: Entry, size: number): void {
    this.#entries.set(key, entry, { size });
    // Too large a result was not kept.
    if (!this.#entries.has(key)) return;
    for (const tag of entry.tags) {
      const keys = this.#keys.get(tag) ?? new Set();
      this.#keys.set(tag, keys.add(key));
    }
  }

  /** Who asks from now on does not share it. */
  #drop(key: string, flight: Flight): void {
    flight.stale = true;
    this.#land(key, flight);
  }

  #land(key: string, flight: Flight): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
