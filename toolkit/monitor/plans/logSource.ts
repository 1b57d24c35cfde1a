import type { Queryable } from "../../queryable.ts";

/** The end of a server's log. */
export interface LogTail {
  /** Where it was read, for people. */
  place: string;
  format: "stderr" | "csvlog" | "jsonlog";
  /** Whole lines; the first of them may be the rest of an entry. */
  text: string;
}

/** A log, or why it cannot be read here and what would allow it: a whole sentence. */
export type LogRead = LogTail | { unavailable: string };

/** A place where the log of a session's server may be read. What it may not read it says, and does not throw. */
export type LogSource = (client: Queryable) => Promise<LogRead>;

/** The bytes of a log that are read: some thousand plans, by far more than are shown. */
export const mostBytes = 2 * 1024 ** 2;

/** Reads the first log that may be read; of none, every reason. */
export async function readLog(client: Queryable, sources: readonly LogSource[]): Promise<LogRead> {
  const reasons: string[] = [];
  for (const source of sources) {
    const found = await source(client);
    if (!("unavailable" in found)) return found;
    reasons.push(found.unavailable);
  }
  return { unavailable: reasons.join(" ") };
}

/** A file of a log, as a listing shows it. */
export interface LogFile {
  name: string;
  size: number;
}

/**
 * The files to read: those of the format that is read most exactly, the newest and the one before it, where the log was
 * rotated a moment ago.
 * @param files the newest first
 */
export function newest<File extends LogFile>(files: readonly File[]): { format: LogTail["format"]; files: File[] } {
  const format = (["jsonlog", "csvlog", "stderr"] as const).find((one) =>
    files.some(({ name, size }) => formatOf(name) === one && size > 0),
  );
  const [first, ...older] = files.filter(({ name }) => formatOf(name) === (format ?? "stderr"));
  if (!first) return { format: "stderr", files: [] };
  return { format: format ?? "stderr", files: [...(first.size < mostBytes ? older.slice(0, 1) : []), first] };
}

/** PostgreSQL itself names its files so, whatever log_filename says. */
function formatOf(name: string): LogTail["format"] {
  return name.endsWith(".json") ? "jsonlog" : name.endsWith(".csv") ? "csvlog" : "stderr";
}

/** The text of the end of a file. @param cut whether it begins in the middle of a line, which is left out */
export function textOf(bytes: Buffer, cut: boolean): string {
  return bytes.subarray(cut ? bytes.indexOf("\n") + 1 : 0).toString("utf8");
}
