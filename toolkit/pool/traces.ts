/** Where somebody asked for a connection. Its text is made only when somebody reads it. */
export type Trace = { stack?: string };

/** Until a statement is sent, nobody asks where it came from. */
export const untraced: Trace = {};

/** Remembers the stack above a function; the function itself, and what it called, are not part of it. */
export function traceAbove(entry: (...args: never[]) => unknown): Trace {
  const trace: Trace = {};
  Error.captureStackTrace(trace, entry);
  return trace;
}

// Milliseconds that a trace stands for the next calls with the same text.
const lasts = 1_000;
// Beyond, in number or in characters, the program writes values into its statements, and each is asked once.
const [most, longest] = [1_000, 4_000];

/**
 * Traces of statements. To take one costs as much as all else that a pool does for a statement, and a statement mostly
 * comes from one place: so one is taken for each text, and again each second.
 */
export class Traces {
  readonly #known = new Map<string, { trace: Trace; until: number }>();

  /** @param entry the function of the pool that was called */
  of(text: string, entry: (...args: never[]) => unknown): Trace {
    if (text?.length > longest) return traceAbove(entry);
    const now = performance.now();
    const known = this.#known.get(text);
    if (known && now < known.until) return known.trace;
    if (this.#known.size >= most) this.#known.clear();
    const trace = traceAbove(entry);
    this.#known.set(text, { trace, until: now + lasts });
    return trace;
  }
}
