/** One SQL statement of a longer text. */
export interface Statement {
  text: string;
  /** Line in the text on which it begins, from 1. */
  line: number;
}

/** What opens, in a text, a part in which a semicolon ends nothing. */
const openings = /--|\/\*|\$(?:[A-Za-z_\x80-\uffff][\w\x80-\uffff]*)?\$|[eE]?'|"|;/g;

/**
 * Splits a text into its statements, as psql does; comments and empty statements are not counted.
 * @throws SyntaxError, with a `line`, when a string, a quoted name or a comment is not closed
 */
export function splitStatements(sql: string): Statement[] {
  const found: Statement[] = [];
  // `words` is the code without its strings, in which a body's BEGIN and END are looked for.
  let [start, code, words] = [0, "", ""];
  const finish = (end: number) => {
    const leading = sql.slice(start, end).search(/\S/);
    if (code.trim()) found.push({ text: sql.slice(start, end).trim(), line: lineAt(sql, start + leading) });
    [start, code, words] = [end + 1, "", ""];
  };
  let at = 0;
  for (;;) {
    openings.lastIndex = at;
    const match = openings.exec(sql);
    if (!match) break;
    // A dollar inside a name, as in a$1$, opens nothing.
    const inName = match[0].startsWith("$") && /[\w$]/.test(sql[match.index - 1] ?? "");
    code += sql.slice(at, match.index);
    words += sql.slice(at, match.index);
    if (inName) {
      code += "$";
      words += "$";
      at = match.index + 1;
      continue;
    }
    at = match.index + match[0].length;
    if (match[0] === ";") {
      if (!isInBody(words)) finish(match.index);
      else [code, words] = [`${code};`, `${words};`];
      continue;
    }
    const end = closing(sql, match[0], at);
    if (end < 0)
      throw Object.assign(new SyntaxError(`${names[match[0].at(-1)!] ?? "a comment"} is not closed`), {
        line: lineAt(sql, match.index),
      });
    if (!/^(--|\/\*)$/.test(match[0])) code += sql.slice(match.index, end);
    words += " ";
    at = end;
  }
  code += sql.slice(at);
  finish(sql.length);
  return found;
}

const routine = /^\s*create\s+(?:or\s+replace\s+)?(?:function|procedure)\b/i;

/** Whether a statement, so far, is in the body of an SQL-standard function: between BEGIN ATOMIC and its END. As psql counts. */
function isInBody(words: string): boolean {
  if (!routine.test(words)) return false;
  let depth = 0;
  for (const [word] of words.toLowerCase().matchAll(/(?<![\w$])(?:begin|case|end)(?![\w$])/g)) {
    if (word === "begin" || (word === "case" && depth > 0)) depth++;
    else if (word === "end" && depth > 0) depth--;
  }
  return depth > 0;
}

const names: Record<string, string> = { "'": "a string", '"': "a quoted name", $: "a dollar-quoted string" };

/** Where the part that `opening` opened ends; -1 when it does not. */
function closing(sql: string, opening: string, from: number): number {
  if (opening === "--") {
    const end = sql.indexOf("\n", from);
    return end < 0 ? sql.length : end;
  }
  if (opening === "/*") return commentEnd(sql, from);
  if (opening.startsWith("$")) {
    const end = sql.indexOf(opening, from);
    return end < 0 ? -1 : end + opening.length;
  }
  const quote = opening.at(-1)!;
  for (let at = from; at < sql.length; at++) {
    if (sql[at] === "\\" && opening.length === 2) at++;
    else if (sql[at] === quote && sql[at + 1] === quote) at++;
    else if (sql[at] === quote) return at + 1;
  }
  return -1;
}

/** PostgreSQL's block comments nest. */
function commentEnd(sql: string, from: number): number {
  const edges = /\/\*|\*\//g;
  edges.lastIndex = from;
  for (let depth = 1; ; ) {
    const edge = edges.exec(sql);
    if (!edge) return -1;
    depth += edge[0] === "/*" ? 1 : -1;
    if (depth === 0) return edges.lastIndex;
  }
}

/** The line of a position in a text, from 1. */
export function lineAt(text: string, position: number): number {
  return text.slice(0, position).split("\n").length;
}
