import type { Reading } from "./reading.ts";

/** Follows names through pending statements: what a run creates is new, and what it renames keeps its size. */
export interface Names {
  /** The name that a relation had before the run; undefined where the run made it. */
  origin(name: string): string | undefined;
  /** Takes note of a statement that has run. */
  after(reading: Reading): void;
}

/** Starts with the names as they are before the run. */
export function followNames(): Names {
  const known = new Map<string, string | undefined>();
  const origin = (name: string) => (known.has(name) ? known.get(name) : name);
  return {
    origin,
    after({ creates, renames }) {
      if (renames) {
        // ALTER TABLE a.b RENAME TO c: the new name has no schema, and stays in that of the old one.
        const schema = /^(.*\.)/.exec(renames.from)?.[1] ?? "";
        known.set(schema + renames.to, origin(renames.from));
        known.set(renames.from, undefined);
      }
      for (const name of creates) known.set(name, undefined);
    },
  };
}
