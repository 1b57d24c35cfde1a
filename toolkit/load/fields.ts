import { parse } from "csv-parse/sync";

export type Delimiter = "," | ";" | "\t" | "|";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** What a line cannot be read for: shown to the user beside its number. */
export class BadLine extends Error {}

/** A cell in a message: at most 40 characters, and nothing that a terminal would act on. */
export function quote(cell: string): string {
  const shown = JSON.stringify(cell.length > 40 ? `${cell.slice(0, 40)}…` : cell);
  return shown.replace(/[\p{Cc}\p{Cf}]/gu, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A copy of a cell, to keep: the cell itself is a view that holds the whole block of the file in memory. */
export function ownText(cell: string): string {
  return Buffer.from(cell).toString();
}

/**
 * Turns the bytes of a line into text.
 * @throws BadLine for a NUL byte or invalid UTF-8, which PostgreSQL would refuse together with the whole batch
 */
export function decode(bytes: string): string {
  if (bytes.includes("\0")) throw new BadLine("holds a NUL byte");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the ASCII range is what needs no decoding
  if (/^[\x00-\x7f]*$/.test(bytes)) return bytes;
  try {
    return utf8.decode(Buffer.from(bytes, "latin1"));
  } catch {
    throw new BadLine("is not valid UTF-8");
  }
}

/**
 * Splits lines into fields. Without a quote that is a plain split; lines with quotes go through csv-parse, together
 * where that gives a record for each line, and one by one where some line's quotes would swallow the next.
 * @returns for each line its fields, or the reason why it has none
 */
export function splitLines(lines: string[], delimiter: Delimiter): (string[] | BadLine)[] {
  if (!lines.some((line) => line.includes('"'))) return lines.map((line) => line.split(delimiter));
  const options = { delimiter, relax_column_count: true, record_delimiter: "\n" };
  try {
    const records = parse(lines.join("\n"), options) as string[][];
    // A record may span lines but never splits one: as many records as lines means one record a line.
    if (records.length === lines.length) return records;
  } catch {
    // Some line is at fault; which one, the parsing line by line tells.
  }
  return lines.map((line) => {
    if (!line.includes('"')) return line.split(delimiter);
    try {
      return (parse(line, options) as string[][])[0]!;
    } catch {
      return new BadLine("has a quote that is not closed, or that stands inside a field");
    }
  });
}
