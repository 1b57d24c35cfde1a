import { createReadStream } from "node:fs";

/** One line of a file, with what it takes to go on after it. */
export interface Line {
  /** Counted from 1, the header included. */
  number: number;
  /** The line without its end, each byte as one character (latin1): nothing is lost, whatever the bytes are. */
  text: string;
  /** Where the next line starts, in bytes. */
  end: number;
  /** The line is longer than {@link longestLine}: `text` holds only its start. */
  cut: boolean;
}

/** A place between two lines: bytes and lines before it. */
export interface Place {
  offset: number;
  line: number;
}

/** In bytes. A file without line ends must not be read into memory whole; 5,000 columns of 20 characters fit 40 times. */
export const longestLine = 4 * 1024 * 1024;
const keptOfLongLine = 1_000;
const blockSize = 256 * 1024;

/**
 * Reads a file block by block, from a place where a line starts. A line ends at LF or CRLF. Quotes are not looked at:
 * a quote that is never closed costs its own line, not the rest of the file.
 * @param until the byte to stop before: what is appended while the file is read is left alone
 */
export async function* readLines(path: string, from: Place, until: number): AsyncGenerator<Line[]> {
  if (from.offset >= until) return;
  const range = { start: from.offset, end: until - 1 };
  const blocks = createReadStream(path, { ...range, encoding: "latin1", highWaterMark: blockSize });
  // `dropped` counts the bytes of the unfinished line that `rest` no longer holds.
  let [rest, dropped, { offset, line }] = ["", 0, from];

  function finish(text: string, lineEnd: number): Line {
    const cut = text.length + dropped > longestLine;
    offset += text.length + dropped + lineEnd;
    line += 1;
    dropped = 0;
    const kept = cut ? text.slice(0, keptOfLongLine) : text;
    return { number: line, text: kept.endsWith("\r") ? kept.slice(0, -1) : kept, end: offset, cut };
  }

  for await (const block of blocks) {
    const texts = (rest + block).split("\n");
    rest = texts.pop()!;
    yield texts.map((text) => finish(text, 1));
    if (rest.length > longestLine) {
      dropped += rest.length - keptOfLongLine;
      rest = rest.slice(0, keptOfLongLine);
    }
  }
  if (rest) yield [finish(rest, 0)];
}
