import { channel } from "node:diagnostics_channel";
import type pg from "pg";
import { isGoodbye } from "./failures.ts";

/** Statements that were committed and may have changed something. */
export interface Written {
  /** Whether one of them was none that changes rows: a table may be another one now, or have another partition. */
  definitions: boolean;
}

// Of the whole process: whoever keeps what was read has to hear of every pool, not only of the one that it reads with.
const writes = channel("postgres-from-code:written");

/** Command tags (https://www.postgresql.org/docs/current/protocol-message-formats.html) of what changes nothing by itself. */
const harmless = new Set([
  ...["SELECT", "SHOW", "DECLARE", "CLOSE", "PREPARE", "DEALLOCATE", "LOCK", "SET", "RESET", "ANALYZE", "VACUUM"],
  ...["BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "LISTEN", "UNLISTEN", "NOTIFY"],
]);
/** Those that change rows and nothing else; any other may do anything, as DO, CALL, and a SELECT that is not harmless. */
const changesRows = new Set("INSERT UPDATE DELETE MERGE COPY TRUNCATE REFRESH EXPLAIN FETCH".split(" "));

// Also a SELECT changes something where a WITH of it does, or a function, or the statement that is executed.
const writingWords = /\bwith\b[\s\S]*\b(?:insert|update|delete|merge)\b|\bexecute\b/i;
const writingFunctions = new Set<string>();
const called = /[\p{L}_][\p{L}\p{N}_$]*(?="?\s*\()/gu;

// What was found of a text is kept, for a program has few; one that writes values into them has any number, and long ones.
const judged = new Map<string, boolean>();
const [mostJudged, longestJudged] = [1_000, 4_000];

/** Names functions that write when they are called in a SELECT; by the text alone nobody can know. */
export function nameWritingFunctions(names: readonly string[]): void {
  const fresh = names.filter((name) => !writingFunctions.has(name.toLowerCase()));
  if (fresh.length === 0) return;
  for (const name of fresh) writingFunctions.add(name.toLowerCase());
  judged.clear();
}

/**
 * Tells of what is committed in this process through a pool, before its caller hears of it.
 * @returns ends it
 */
export function onWritten(told: (written: Written) => void): () => void {
  const listener = (message: unknown) => told(message as Written);
  writes.subscribe(listener);
  return () => void writes.unsubscribe(listener);
}

/** The part of a client of `pg` that hears the server's messages: they tell of streams and cursors, too. */
interface Inside {
  connection: NodeJS.EventEmitter;
  _getActiveQuery?(): { text?: string } | null;
}

/** Has what a client commits told to {@link onWritten}. To be called before it connects: it must hear before the client. */
export function announceWrites(client: pg.Client): void {
  const inside = client as unknown as Inside;
  let written: Written | undefined;
  const publish = () => {
    if (written) writes.publish(written);
    written = undefined;
  };
  inside.connection.on("commandComplete", ({ text: tag }: { text: string }) => {
    const end = tag.indexOf(" ");
    const command = end < 0 ? tag : tag.slice(0, end);
    if (harmless.has(command) && !(command === "SELECT" && mayWrite(inside._getActiveQuery?.()?.text))) return;
    written = { definitions: written?.definitions || !changesRows.has(command) };
  });
  // What the server undid after all is told too: it costs a look, and to know would take more than one.
  inside.connection.on("readyForQuery", ({ status }: { status: string }) => {
    if (status === "I") publish();
  });
  // It may have been in the middle of a commit.
  inside.connection.on("errorMessage", (error: unknown) => {
    if (isGoodbye(error)) written = { definitions: true };
  });
  inside.connection.on("end", () => {
    if (inside._getActiveQuery?.()) written = { definitions: true };
    publish();
  });
}

function mayWrite(text: string | undefined): boolean {
  if (text === undefined) return true;
  if (text.length > longestJudged) return judge(text);
  const known = judged.get(text);
  if (known !== undefined) return known;
  if (judged.size >= mostJudged) judged.clear();
  const verdict = judge(text);
  judged.set(text, verdict);
  return verdict;
}

function judge(text: string): boolean {
  if (writingWords.test(text)) return true;
  if (writingFunctions.size === 0) return false;
  return text.match(called)?.some((name) => writingFunctions.has(name.toLowerCase())) ?? false;
}
