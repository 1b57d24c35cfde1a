import { type Context, main } from "../cli.ts";
import type { Connection } from "../connection.ts";
import type { Outcome } from "./expectations.ts";
import type { Values } from "./parameters.ts";

/** The words of a step's command; a parameter is replaced inside its word, and no shell ever reads it. */
export function commandWords(text: string, values: Values): string[] {
  return text
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => word.replace(/\$([a-z][a-z_]*)/g, (_, name: string) => values[name]!));
}

/**
 * Runs a command of the toolkit in this process, on the same database.
 * @param show gets each whole line that the command prints, as it prints it
 */
export async function runCommand(
  text: string,
  values: Values,
  [connection, context]: [Connection, Context],
  show: (line: string) => void,
): Promise<Outcome> {
  const [printed, exit] = await capturing(
    () => main(commandWords(text, values), async () => [connection, context]),
    show,
  );
  return { columns: [], rows: [], exit, output: printed };
}

/** Runs `work` while what it writes to stdout and stderr goes to `show`: stdout is for the runbook's own record. */
async function capturing<T>(work: () => Promise<T>, show: (line: string) => void): Promise<[string, T]> {
  const streams = [process.stdout, process.stderr] as const;
  const writes = streams.map((stream) => stream.write);
  let [printed, line] = ["", ""];
  const restore = () => {
    for (const [index, stream] of streams.entries()) stream.write = writes[index]!;
  };
  const write = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8");
    // A bar that is redrawn in its line belongs on the screen at once, and into no record.
    if (text.startsWith("\r")) return writes[1]!.call(process.stderr, text);
    printed += text;
    line += text;
    const lines = line.split("\n");
    line = lines.pop()!;
    restore();
    for (const whole of lines) show(whole);
    capture();
    const done = rest.find((argument) => typeof argument === "function") as (() => void) | undefined;
    done?.();
    return true;
  };
  const capture = () => {
    for (const stream of streams) stream.write = write as typeof stream.write;
  };
  capture();
  try {
    const result = await work();
    return [printed, result];
  } finally {
    restore();
    if (line) show(line);
  }
}
