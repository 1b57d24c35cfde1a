import { parse } from "csv-parse/sync";
import type { LogTail } from "./logSource.ts";

/** A plan as auto_explain logged it. */
export interface LoggedPlan {
  /** When it ended, as the log writes it; null where its lines do not begin with it. */
  at: string | null;
  milliseconds: number;
  database: string | null;
  /** The statement's number, as a text, for it has 64 bits; null where the log does not hold it. */
  queryId: string | null;
  /** In the form of auto_explain.log_format. */
  body: string;
}

// "duration: 1.234 ms  plan:" in any language of lc_messages; what follows is never translated.
const head = String.raw`([\d.]+) ms {2}[^\n]{1,40}:\n`;
const message = new RegExp(String.raw`^[^\n]*?[^\d.]${head}((?:\{|<|Query Text:)[\s\S]*)`);

/**
 * The plans in a log, in their order. What is not whole, at either end, is left out.
 * @param prefix the server's log_line_prefix
 */
export function loggedPlans({ format, text }: LogTail, prefix: string): LoggedPlan[] {
  const found = { stderr: () => ofText(text, prefix), csvlog: () => ofCsv(text), jsonlog: () => ofJson(text) };
  return found[format]();
}

function planOf(text: string, rest: Omit<LoggedPlan, "milliseconds" | "body">): LoggedPlan[] {
  const [, milliseconds, body] = message.exec(text) ?? [];
  return body ? [{ ...rest, milliseconds: Number(milliseconds), body }] : [];
}

/** The lines of an entry after its first begin with a tab. */
function ofText(text: string, prefix: string): LoggedPlan[] {
  const start = prefixPattern(prefix);
  return [...text.matchAll(new RegExp(String.raw`^([^\t\n].*?[^\d.])${head}((?:\t[^\n]*\n)+)`, "gm"))].flatMap(
    ([entry, line]) => {
      const { at = null, database = null, queryId = null } = start.exec(line!)?.groups ?? {};
      // 0 stands for a statement without a number.
      return planOf(entry.replace(/^\t/gm, ""), { at, database, queryId: queryId === "0" ? null : queryId });
    },
  );
}

const groups: Record<string, string> = {
  m: String.raw`(?<at>\S+ \S+(?: [A-Z+-]\S*)?)`,
  t: String.raw`(?<at>\S+ \S+(?: [A-Z+-]\S*)?)`,
  d: "(?<database>.*?)",
  Q: String.raw`(?<queryId>-?\d+)`,
  q: "",
  "%": "%",
};

/** What finds in a line what its log_line_prefix put there. */
function prefixPattern(prefix: string): RegExp {
  const seen = new Set<string>();
  const source = prefix.replace(/%-?\d*([a-zA-Z%])|[\s\S]/g, (found, letter?: string) => {
    if (!letter) return found.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
    const name = letter === "t" ? "m" : letter;
    const group = seen.has(name) ? undefined : groups[letter];
    seen.add(name);
    // What is padded has spaces around it.
    return group === undefined ? ".*?" : found.length > 2 && group ? ` *${group} *` : group;
  });
  return new RegExp(`^${source}[^\\s:]+: `);
}

/** A record may hold line ends; every one begins with its time. */
function ofCsv(text: string): LoggedPlan[] {
  const [time, database, said, queryId] = [0, 2, 13, 25];
  return text.split(/^(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^,"\n]+,)/m).flatMap((record) => {
    if (!/ ms {2}/.test(record)) return [];
    try {
      const [fields = []] = parse(record, { relax_column_count: true }) as string[][];
      const id = fields[queryId];
      return planOf(fields[said] ?? "", {
        ...{ at: fields[time] ?? null, database: fields[database] || null },
        queryId: id && id !== "0" ? id : null,
      });
    } catch {
      return [];
    }
  });
}

function ofJson(text: string): LoggedPlan[] {
  return text.split("\n").flatMap((line) => {
    if (!line.includes(" ms  ")) return [];
    try {
      const { timestamp, dbname, message: said } = JSON.parse(line) as Record<string, string | undefined>;
      // As a number it would lose its last digits; inside of a text its quotes have backslashes.
      const [, queryId = null] = /"query_id":(-?[1-9]\d*)/.exec(line) ?? [];
      return planOf(said ?? "", { at: timestamp ?? null, database: dbname ?? null, queryId });
    } catch {
      return [];
    }
  });
}
