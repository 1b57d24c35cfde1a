const longest = 100;

// E'…' with backslashes, '…', $tag$…$tag$; also where the end is missing. An identifier before the $ is none of it. Quoted
// identifiers come first: an apostrophe in one begins no literal.
const literals = /"(?:[^"]|"")*"|\be'(?:[^'\\]|\\.|'')*'?|'(?:[^']|'')*'?|(?<!\w)\$(?:[a-z_]\w*)?\$[\s\S]*/gi;

/** A statement without its literals, which may be secret: for messages, and for reading what it does. */
export function withoutLiterals(text: string): string {
  return text.replace(literals, (found) => (found.startsWith('"') ? found : "'…'"));
}

/** A statement for people: on one line, without literals, shortened. */
export function forPeople(text: string): string {
  const line = withoutLiterals(text).replace(/\s+/g, " ").trim();
  return line.length > longest ? `${line.slice(0, longest - 1)}…` : line;
}
