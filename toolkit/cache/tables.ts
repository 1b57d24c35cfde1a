import type { Queryable } from "../queryable.ts";
import { readWatched } from "./watch.ts";

/** What is known of the tables that were asked for: by what tag each announces its changes, if it does. */
export class Tables {
  /** Tags by name; null for one that is not watched. */
  readonly #known = new Map<string, string | null>();

  /** The tags of tables: null where one is not watched, undefined where one was not looked at yet. */
  tagsOf(names: readonly string[]): readonly string[] | null | undefined {
    const tags = names.map((name) => this.#known.get(name));
    if (tags.includes(undefined)) return undefined;
    return tags.includes(null) ? null : (tags as string[]);
  }

  /** Looks at tables, those included that are known. @returns whether one is not what it was */
  async look(db: Queryable, names: readonly string[] = []): Promise<boolean> {
    const before = new Map(this.#known);
    const found = await readWatched(db, [...new Set([...before.keys(), ...names])]);
    let changed = false;
    for (const { name, tag, watched } of found) {
      const now = watched ? tag : null;
      changed ||= before.has(name) && before.get(name) !== now;
      this.#known.set(name, now);
    }
    return changed;
  }

  forget(): void {
    this.#known.clear();
  }
}
