import { canonical, isObject, isSecret, masked, type Properties, providerKey, revealed } from "./wire.ts";

/** A property that differs; values are masked where they are secret. */
export interface Change {
  path: string;
  kind: "add" | "delete" | "update";
  before?: unknown;
  after?: unknown;
}

/** What differs between the old and the new inputs of a resource, by property path. */
export function changesBetween(olds: Properties, news: Properties): Change[] {
  return compare("", olds, news).toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function compare(path: string, before: unknown, after: unknown): Change[] {
  if (canonical(revealed(before)) === canonical(revealed(after))) return [];
  if (before === undefined) return [{ path, kind: "add", after: masked(after) }];
  if (after === undefined) return [{ path, kind: "delete", before: masked(before) }];
  if (Array.isArray(before) && Array.isArray(after)) return compareLists(path, before, after);
  if (isObject(before) && isObject(after) && !isSecret(before) && !isSecret(after))
    return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) =>
      compare(path ? `${path}.${key}` : key, before[key], after[key]),
    );
  return [{ path, kind: "update", before: masked(before), after: masked(after) }];
}

/** Lists are compared as sets of elements: what came and what went says more than that every place moved by one. */
function compareLists(path: string, before: unknown[], after: unknown[]): Change[] {
  const [olds, news] = [before, after].map((list) => new Set(list.map((element) => canonical(revealed(element)))));
  const gone = before.filter((element) => !news!.has(canonical(revealed(element))));
  const come = after.filter((element) => !olds!.has(canonical(revealed(element))));
  if (gone.length + come.length === 0) return [{ path, kind: "update", before: "another order", after: masked(after) }];
  return [
    ...gone.map((element): Change => ({ path: `${path}[]`, kind: "delete", before: masked(element) })),
    ...come.map((element): Change => ({ path: `${path}[]`, kind: "add", after: masked(element) })),
  ];
}

/** Changes as lines for people. The provider's code is named, not printed. */
export function describeChanges(changes: Change[]): string[] {
  return changes.map(({ path, kind, before, after }) => {
    if (path === providerKey) return `~ ${path}: the provider's code`;
    if (kind === "add") return `+ ${path}: ${short(after)}`;
    if (kind === "delete") return `- ${path}: ${short(before)}`;
    return `~ ${path}: ${short(before)} => ${short(after)}`;
  });
}

function short(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
