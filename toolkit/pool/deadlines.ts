// The longest that a timer of Node can wait, in milliseconds.
const longestTimer = 2 ** 31 - 1;

/**
 * Tells of what is not done by its time. One timer serves all of it and is set only for an earlier time than before: what
 * is done in time, as nearly everything is, costs no timer. It keeps no process alive.
 */
export class Deadlines<T> {
  readonly #open = new Map<T, number>();
  readonly #missed: (item: T) => void;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires. */
  #next = Number.POSITIVE_INFINITY;

  constructor(missed: (item: T) => void) {
    this.#missed = missed;
  }

  /** @param at when it must be done, by `performance.now()` */
  add(item: T, at: number): void {
    this.#open.set(item, at);
    if (at < this.#next) this.#wake(at);
  }

  delete(item: T): void {
    this.#open.delete(item);
  }

  #wake(at: number): void {
    clearTimeout(this.#timer);
    this.#next = at;
    const wait = Math.min(Math.max(at - performance.now(), 1), longestTimer);
    this.#timer = setTimeout(() => this.#look(), wait).unref();
  }

  #look(): void {
    this.#next = Number.POSITIVE_INFINITY;
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const [item, at] of this.#open) {
      if (at > now) {
        next = Math.min(next, at);
        continue;
      }
      this.#open.delete(item);
      this.#missed(item);
    }
    if (next < this.#next) this.#wake(next);
  }
}
