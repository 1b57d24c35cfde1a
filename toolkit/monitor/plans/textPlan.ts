/** A node of a plan as auto_explain writes it in JSON: names with spaces, those below it under "Plans". */
export type RawNode = { Plans?: RawNode[] } & Record<string, unknown>;

const cost = String.raw`\(cost=\S+ rows=(\d+) width=\d+\)`;
const actual = String.raw`(?: \((?:actual (?:time=\S+?\.\.([\d.]+) )?rows=([\d.]+) loops=(\d+)|(never executed))\))?`;
const nodeLine = new RegExp(String.raw`^( *)(?:-> {2})?(\S.*?) {2}${cost}${actual}`);
const property = /^ +([A-Z][A-Za-z -]+): (.*)$/;

/**
 * Reads a plan in auto_explain's text format, into what the JSON format would have given.
 * @returns the statement and its plan; undefined where there is none
 */
export function readTextPlan(body: string): { query: string; plan: RawNode } | undefined {
  const lines = body.replace(/^Query Text: /, "").split("\n");
  const first = lines.findIndex(
    (line, n) => !line.startsWith(" ") && nodeLine.test(line) && !isOpen(lines.slice(0, n).join("\n")),
  );
  if (first < 0) return undefined;
  const parameters = lines.slice(0, first).findLastIndex((line) => line.startsWith("Query Parameters: "));
  // The nodes above a line, each with where it begins.
  const path: { depth: number; node: RawNode }[] = [];
  let last: { node: RawNode; key: string } | undefined;
  let root: RawNode | undefined;
  for (const line of lines.slice(first)) {
    // A text with line ends, in a condition: whatever the line looks like.
    if (last && isOpen(String(last.node[last.key]))) {
      last.node[last.key] += `\n${line}`;
      continue;
    }
    const found = nodeLine.exec(line);
    if (found) {
      const [depth, node] = [found[1]!.length, nodeOf(found)];
      while (path.length > 0 && path.at(-1)!.depth >= depth) path.pop();
      const above = path.at(-1)?.node;
      if (above) above.Plans = [...(above.Plans ?? []), node];
      root ??= node;
      path.push({ depth, node });
      last = undefined;
      continue;
    }
    const [, key, value] = property.exec(line) ?? [];
    const node = path.at(-1)!.node;
    if (key !== undefined && value !== undefined) {
      Object.assign(node, { [key]: /^[\d.]+$/.test(value) ? Number(value) : value }, details(key, value));
      last = { node, key };
    }
  }
  return { query: lines.slice(0, parameters < 0 ? first : parameters).join("\n"), plan: root! };
}

/** Whether a text ends within a literal. */
function isOpen(text: string): boolean {
  return text.replace(/"(?:[^"]|"")*"|'(?:[^']|'')*'/g, "").includes("'");
}

function nodeOf([, , title = "", rows, time, actualRows, loops, never]: RegExpExecArray): RawNode {
  const [, parallel, type = title, index, relation] =
    /^(Parallel )?(.*?)(?: using ("[^"]+"|\S+))?(?: on (.+))?$/.exec(title) ?? [];
  const isIndex = type.startsWith("Bitmap Index Scan");
  const [, schema, name, alias] = /^(?:("[^"]+"|[^\s".]+)\.)?("[^"]+"|\S+)(?: (.+))?$/.exec(relation ?? "") ?? [];
  return {
    ...{ "Node Type": type, "Plan Rows": Number(rows), "Parallel Aware": parallel !== undefined },
    ...(relation && !isIndex ? { "Relation Name": bare(name!), Alias: bare(alias ?? name!) } : {}),
    ...(schema && !isIndex ? { Schema: bare(schema) } : {}),
    ...(index || isIndex ? { "Index Name": bare(index ?? name!) } : {}),
    ...(loops === undefined ? {} : { "Actual Rows": Number(actualRows), "Actual Loops": Number(loops) }),
    ...(time === undefined ? {} : { "Actual Total Time": Number(time) }),
    ...(never === undefined ? {} : { "Actual Rows": 0, "Actual Loops": 0, "Actual Total Time": 0 }),
  };
}

const bare = (name: string) => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name);

/** What the text format puts in one line, and JSON under names of their own. */
function details(key: string, value: string): Record<string, number | string> {
  const number = (pattern: RegExp) => Number(pattern.exec(value)?.[1] ?? 0);
  if (key === "Sort Method") return { "Sort Space Type": "Disk", "Sort Space Used": number(/Disk: (\d+)kB/) };
  if (key === "Buckets")
    return { "Hash Batches": number(/Batches: (\d+)/), "Peak Memory Usage": number(/Memory Usage: (\d+)kB/) };
  if (key === "Batches") return { "Disk Usage": number(/Disk Usage: (\d+)kB/) };
  if (key === "Buffers") return { "Temp Written Blocks": number(/temp .*written=(\d+)/) };
  if (key === "Heap Blocks") return { "Lossy Heap Blocks": number(/lossy=(\d+)/) };
  return {};
}
