import { loadModule, parseSync } from "libpg-query";
import pg from "pg";

/** A node of PostgreSQL's parse tree, as libpg-query gives it: its fields depend on its kind. */
// biome-ignore lint/suspicious/noExplicitAny: hundreds of kinds of nodes, of which a handful are looked at
export type Node = Record<string, any>;

await loadModule();

/** The parse tree of a text with one statement; undefined where it is none of PostgreSQL's. */
export function parseStatement(text: string): Node | undefined {
  try {
    const { stmts } = parseSync(text);
    return stmts?.length === 1 ? (stmts[0]!.stmt as Node) : undefined;
  } catch {
    return undefined;
  }
}

/** Visits a node and everything below it, until `visit` says true for what it has seen to itself. */
export function walk(node: unknown, visit: (kind: string, node: Node) => boolean | undefined): void {
  if (Array.isArray(node)) for (const each of node) walk(each, visit);
  else if (node && typeof node === "object")
    for (const [kind, child] of Object.entries(node))
      if (child && typeof child === "object" && !visit(kind, child as Node)) walk(child, visit);
}

/** The name of a relation, as `to_regclass` reads it. */
export function relationName({ schemaname, relname }: Node): string {
  return [schemaname, relname].filter(Boolean).map(pg.escapeIdentifier).join(".");
}

/** The relations that a statement names; the names of its own WITH clause are none. */
export function relationsOf(tree: Node): string[] {
  const [found, own] = [new Set<string>(), new Set<string>()];
  walk(tree, (kind, node) => {
    if (kind === "CommonTableExpr") own.add(pg.escapeIdentifier(node.ctename));
    if (node.relname) found.add(relationName(node));
    return false;
  });
  return [...found].filter((name) => !own.has(name));
}

/** The text of a function call: from its name to the parenthesis that closes it. */
export function callText(text: string, location: number): string | undefined {
  // Locations count bytes.
  const rest = Buffer.from(text).subarray(location).toString();
  let [depth, quoted] = [0, false];
  for (const [at, character] of [...rest].entries()) {
    if (character === "'") quoted = !quoted;
    if (quoted) continue;
    if (character === "(") depth++;
    if (character === ")" && --depth === 0) return [...rest].slice(0, at + 1).join("");
  }
  return undefined;
}
