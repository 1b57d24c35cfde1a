import { styleText } from "node:util";

/** A colour or a weight, as node:util names them. */
export type Format = Parameters<typeof styleText>[0];

/** A part of a line that looks the same throughout. */
export interface Piece {
  text: string;
  format?: Format;
}

/** A line of a terminal. */
export type Line = Piece[];

/** A piece of text, with its colour. */
export const piece = (text: string, format?: Format): Piece => (format ? { text, format } : { text });

// Scripts and pictures that terminals draw two columns wide.
const wide =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/u;
const combining = /[\p{Mn}\p{Me}\p{Cf}]/u;
// A name or a statement may hold what a terminal takes as a command, or what turns the line around.
const commands = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

const widthOf = (letter: string) => (combining.test(letter) ? 0 : wide.test(letter) ? 2 : 1);

/**
 * A line as the terminal gets it: cut to its width, without control characters, and coloured where the stream takes
 * colours and NO_COLOR is not set.
 */
export function render(line: Line, width: number, stream: NodeJS.WritableStream): string {
  let room = width;
  let drawn = "";
  for (const { text, format } of line) {
    const part = cut(text.replace(commands, " "), room);
    room -= part.columns;
    drawn += format ? styleText(format, part.text, { stream, validateStream: true }) : part.text;
    if (part.cut) break;
  }
  return drawn;
}

function cut(text: string, room: number): { text: string; columns: number; cut: boolean } {
  const columns = columnsOf(text);
  if (columns <= room) return { text, columns, cut: false };
  let [kept, used] = ["", 0];
  for (const letter of text) {
    if (used + widthOf(letter) > room - 1) break;
    kept += letter;
    used += widthOf(letter);
  }
  return { text: room > 0 ? `${kept}…` : "", columns: Math.min(used + 1, room), cut: true };
}

/** The columns that a text takes. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const letter of text) columns += widthOf(letter);
  return columns;
}

/** Rows as columns of the same width, two blanks apart; the last one is left as it is. */
export function inColumns(rows: Line[]): Line[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [n, { text }] of row.entries()) widths[n] = Math.max(widths[n] ?? 0, columnsOf(text));
  return rows.map((row) =>
    row.map((one, n) =>
      n === row.length - 1 ? one : { ...one, text: `${one.text}${" ".repeat(widths[n]! - columnsOf(one.text))}  ` },
    ),
  );
}
