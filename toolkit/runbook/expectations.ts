import type { UserError } from "../errors.ts";
import type { Values } from "./parameters.ts";

/** What a step is expected to find, as `rows = 0`, `valid = true`, `exit = 0` or `output ~ /done/`. */
export interface Expectation {
  text: string;
  /** "rows", "exit", "output", or a column, whose value has to be so in every row. */
  subject: string;
  operator: string;
  /** A `$name` stands for the value of a parameter. */
  value: string | number | boolean | null | RegExp;
}

/** What a step found. */
export interface Outcome {
  /** What a query gave. */
  columns: string[];
  rows: Record<string, unknown>[];
  /** A command's exit code; 0 for SQL, which fails by an error. */
  exit: number;
  /** What a command printed. */
  output: string;
}

/** An expectation beside what was found. */
export interface Verdict {
  expectation: string;
  met: boolean;
  /** In words, as "rows is 3". */
  found: string;
}

const comparisons: Record<string, (found: number | string, wanted: number | string) => boolean> = {
  "<": (found, wanted) => found < wanted,
  "<=": (found, wanted) => found <= wanted,
  ">": (found, wanted) => found > wanted,
  ">=": (found, wanted) => found >= wanted,
};

/** @throws what `refuse` makes of it, where the text is none */
export function parseExpectation(text: string, refuse: (what: string) => UserError): Expectation {
  const [, subject, operator, wanted] = /^(\w+) (=|!=|<=|>=|<|>|~|!~) (.+)$/.exec(text) ?? [];
  if (!subject || !operator || !wanted) throw refuse(`\`${text}\` is no expectation`);
  const value = literal(wanted);
  if (value === undefined) throw refuse(`\`${text}\` compares with something that is no value`);
  if (operator.endsWith("~") !== value instanceof RegExp) throw refuse(`\`${text}\`: ~ and /…/ go together`);
  return { text, subject, operator, value };
}

function literal(text: string): Expectation["value"] | undefined {
  const pattern = /^\/(.+)\/(i?)$/.exec(text);
  if (pattern) return new RegExp(pattern[1]!, `m${pattern[2]}`);
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (text === "true" || text === "false") return text === "true";
  if (text === "null") return null;
  if (/^\$[a-z_]+$/.test(text)) return text;
  return /^'[^']*'$/.test(text) ? text.slice(1, -1) : undefined;
}

/** Compares what a step found with all that is expected of it. */
export function judge(expectations: readonly Expectation[], outcome: Outcome, values: Values): Verdict[] {
  // A command that fails is a surprise, unless the page says which code it expects.
  const silent = outcome.exit !== 0 && !expectations.some(({ subject }) => subject === "exit");
  const all = silent
    ? [{ text: "exit = 0", subject: "exit", operator: "=", value: 0 } satisfies Expectation, ...expectations]
    : expectations;
  return all.map((expectation) => judgeOne(expectation, outcome, values));
}

function judgeOne({ text, subject, operator, value }: Expectation, outcome: Outcome, values: Values): Verdict {
  const parameter = typeof value === "string" && value.startsWith("$") ? values[value.slice(1)]! : undefined;
  const wanted = parameter ?? value;
  const expectation = parameter === undefined ? text : `${subject} ${operator} ${parameter}`;
  const verdict = (met: boolean, found: string) => ({ expectation, met, found });
  if (subject === "rows" || subject === "exit") {
    const found = subject === "rows" ? outcome.rows.length : outcome.exit;
    return verdict(holds(found, operator, wanted), `${subject} is ${found}`);
  }
  if (subject === "output") {
    const met = holds(outcome.output, operator, wanted);
    return verdict(met, met ? "the output is so" : "the output is not so");
  }
  if (!outcome.columns.includes(subject)) return verdict(false, `there is no column ${subject}`);
  const stray = outcome.rows.find((row) => !holds(row[subject], operator, wanted));
  if (stray) return verdict(false, `${subject} is ${String(stray[subject])}`);
  return verdict(
    true,
    outcome.rows.length === 1 ? `${subject} is ${String(outcome.rows[0]![subject])}` : "in every row",
  );
}

function holds(found: unknown, operator: string, wanted: Expectation["value"]): boolean {
  if (wanted instanceof RegExp) return wanted.test(String(found)) === (operator === "~");
  if (operator === "=" || operator === "!=") return same(found, wanted) === (operator === "=");
  if (found === null || found === undefined || wanted === null) return false;
  // PostgreSQL's bigint and numeric arrive as text, and so does a parameter.
  const [left, right] = [Number(found), Number(wanted)];
  const numbers = !Number.isNaN(left) && !Number.isNaN(right);
  return comparisons[operator]!(numbers ? left : String(found), numbers ? right : String(wanted));
}

function same(found: unknown, wanted: string | number | boolean | null): boolean {
  if (found === null || found === undefined || wanted === null) return (found ?? null) === wanted;
  if (typeof wanted === "number") return Number(found) === wanted;
  return String(found) === String(wanted);
}
