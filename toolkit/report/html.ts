/** Text that is HTML already. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** What may stand in a template: text and numbers are escaped, HTML is taken as it is, lists are joined. */
type Value = string | number | Html | undefined | readonly Value[];

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
// A name may hold what turns the text around it, so that it reads as another one, and what no document may hold.
const unfit = /(?![\t\n])\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu;

/** Makes HTML of a template: names and statements come from a database, and whoever fills it may write anything. */
export function html(parts: TemplateStringsArray, ...values: Value[]): Html {
  return new Html(parts.reduce((all, part, n) => all + textOf(values[n - 1]) + part));
}

function textOf(value: Value): string {
  if (value === undefined) return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "object") return value.map(textOf).join("\n");
  return String(value)
    .replace(unfit, "")
    .replace(/[&<>"']/g, (letter) => entities[letter]!);
}

/**
 * A table whose columns of numbers stand to the right.
 * @param below what stands under a row, over its whole width
 */
export function table(
  columns: { title: string; number?: boolean }[],
  rows: Value[][],
  below?: (row: number) => Html | undefined,
): Html {
  const kind = (n: number) => (columns[n]!.number ? "number" : "text");
  const rowOf = (cells: Value[], row: number) => {
    const under = below?.(row);
    return html`<tr>${cells.map((cell, n) => html`<td class="${kind(n)}">${cell}</td>`)}</tr>${
      under && html`<tr class="below"><td colspan="${columns.length}">${under}</td></tr>`
    }`;
  };
  return html`<table><thead><tr>${columns.map(({ title }, n) => html`<th class="${kind(n)}">${title}</th>`)}</tr></thead>
<tbody>${rows.map(rowOf)}</tbody></table>`;
}
