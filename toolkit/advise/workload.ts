import { readFile } from "node:fs/promises";
import { messageOf, UserError } from "../errors.ts";
import type { Queryable } from "../queryable.ts";

/** A statement with the values of one of its calls, and how often it was called so. */
export interface Statement {
  text: string;
  values: unknown[];
  calls: number;
}

/** Something that runs SQL and remembers what it ran. */
export interface Recorder extends Queryable {
  /** What ran since, each statement with some of its values. */
  statements(): Statement[];
}

// A statement is measured with a few of its values: the first may be a rare one.
const valuesKept = 3;

/**
 * Records the statements that an application sends: give it the result instead of its client or pool, and write
 * {@link workloadLines} of `statements()` to a file for `toolkit advise --workload FILE`. The values are kept, so the
 * file is as secret as the data.
 */
export function recordWorkload(queryable: Queryable): Recorder {
  const kept = new Map<string, Statement[]>();
  function keep(text: string, values: unknown[]): void {
    const known = kept.get(text) ?? [];
    kept.set(text, known);
    const key = JSON.stringify(values);
    const same = known.find((statement) => JSON.stringify(statement.values) === key);
    if (same) same.calls++;
    else if (known.length < valuesKept) known.push({ text, values, calls: 1 });
    // Those that are not kept count for one that is, each in its turn.
    else known.toSorted((a, b) => a.calls - b.calls)[0]!.calls++;
  }
  const query = (first: unknown, ...rest: unknown[]) => {
    const config = (typeof first === "string" ? { text: first } : first) as { text?: string; values?: unknown[] };
    const values = Array.isArray(rest[0]) ? rest[0] : (config.values ?? []);
    if (config.text !== undefined) keep(config.text, values);
    return (queryable.query as (...args: unknown[]) => unknown)(first, ...rest);
  };
  return { query: query as Queryable["query"], statements: () => [...kept.values()].flat() };
}

/** A workload as its file has it: a JSON object a line. */
export function workloadLines(statements: readonly Statement[]): string {
  return statements.map((statement) => `${JSON.stringify(statement)}\n`).join("");
}

/**
 * Reads a workload: a JSON object {text, values, calls} a line, values and calls (1) as wanted.
 * @throws UserError when the file cannot be read, or a line is no such object
 */
export async function readWorkload(file: string): Promise<Statement[]> {
  const fix = 'Write one JSON object a line: {"text": "select …", "values": [], "calls": 1}.';
  let content: string;
  try {
    content = await readFile(file, "utf8");
  } catch (error) {
    throw new UserError(`the workload ${file} cannot be read`, { why: messageOf(error), fix, exitCode: 2 });
  }
  const statements = content.split("\n").flatMap((line, index): Statement[] => {
    if (!line.trim()) return [];
    const refusal = (why: string) =>
      new UserError(`line ${index + 1} of ${file} is no statement`, { why, fix, exitCode: 2 });
    let parsed: Partial<Statement> | null;
    try {
      parsed = JSON.parse(line);
    } catch {
      // The parser's message repeats the line, which may hold what is secret.
      throw refusal("It is not JSON.");
    }
    const { text, values = [], calls = 1 } = parsed ?? {};
    if (typeof text !== "string" || !text.trim()) throw refusal("It has no text.");
    if (!Array.isArray(values)) throw refusal("Its values are no list.");
    if (typeof calls !== "number" || !(calls > 0)) throw refusal("Its calls are no number above 0.");
    return [{ text, values, calls }];
  });
  if (statements.length === 0)
    throw new UserError(`the workload ${file} is empty`, { why: "It has no statement.", fix, exitCode: 2 });
  return statements;
}
