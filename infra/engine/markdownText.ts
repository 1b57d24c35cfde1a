/** Pieces of GitHub's Markdown, safe whatever text goes into them. */

/** A table of Markdown. */
export const table = (head: string[], rows: string[]): string =>
  [row(head), row(head.map(() => "---")), ...rows].join("\n");

export const row = (cells: string[]): string => `| ${cells.join(" | ")} |`;

/** Text for a cell: nothing in it is taken for Markdown, HTML or a mention. */
export const text = (value: string): string =>
  value
    .replace(/[\\`*_[\]<>|~]/g, (sign) => `\\${sign}`)
    .replace(/@(?=\w)/g, "@\u200b")
    .replaceAll("\n", " ");

/** Code for a cell. */
export const code = (value: string): string =>
  `\`${value.replaceAll("`", "'").replaceAll("|", "\\|").replaceAll("\n", " ")}\``;

export const fold = (title: string, body: string): string =>
  `<details><summary>${title}</summary>\n\n${body}\n\n</details>`;

/** A block of code that its own content cannot end. */
export function fenced(language: string, body: string): string {
  const longest = Math.max(2, ...Array.from(body.matchAll(/`+/g), ([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${body}\n${fence}`;
}
