import { createRequire } from "node:module";
import { run } from "../../server/systemUser.ts";
import type { Part } from "./parts.ts";

/** One finding of squawk's. */
export interface SquawkFinding {
  rule: string;
  /** Position of the part of the migration, from 0. */
  part: number;
  /** What squawk points at: a whole statement or a part of it. */
  clause: string;
  message: string;
  help: string | null;
}

/** A finding as `squawk --reporter json` writes it; lines and columns count from 0. */
interface Reported {
  line: number;
  column: number;
  line_end: number;
  column_end: number;
  message: string;
  help: string | null;
  rule_name: string;
}

/**
 * Lints the parts of one migration.
 * @param major of the server that will run them
 * @throws UserError when squawk does not run
 * @see https://squawkhq.com/docs/rules
 */
export async function lint(parts: readonly Part[], transactional: boolean, major: number): Promise<SquawkFinding[]> {
  if (parts.length === 0) return [];
  // Squawk's own way to silence a rule gives no reason; what is accepted is accepted by us.
  const texts = parts.map(({ text }) => text.replaceAll("squawk-ignore", "squawk_ignore"));
  const starts = lineStarts(texts);
  const sql = `${texts.join(";\n")};\n`;
  const args = [
    "--reporter",
    "json",
    "--pg-version",
    String(major),
    ...(transactional ? ["--assume-in-transaction"] : []),
  ];
  const { stdout, stderr } = await run(program(), args, { input: sql });
  return parse(stdout, stderr).map((reported) => ({
    rule: reported.rule_name,
    part: Math.max(
      starts.findLastIndex((line) => line <= reported.line),
      0,
    ),
    clause: cut(sql, reported),
    message: reported.message,
    help: reported.help,
  }));
}

/** The line, from 0, on which each text begins where they stand one below the other. */
function lineStarts(texts: readonly string[]): number[] {
  let line = 0;
  return texts.map((text) => {
    const start = line;
    line += text.split("\n").length;
    return start;
  });
}

function program(): string {
  const { getBinaryPath } = createRequire(import.meta.url)("squawk-cli/js/index.js") as { getBinaryPath(): string };
  return getBinaryPath();
}

function parse(stdout: string, stderr: string): Reported[] {
  try {
    return JSON.parse(stdout) as Reported[];
  } catch {
    throw new Error(`squawk gives no JSON: ${(stderr || stdout).trim().slice(0, 300)}`);
  }
}

function cut(sql: string, { line, column, line_end, column_end }: Reported): string {
  const lines = sql.split("\n").slice(line, line_end + 1);
  if (lines.length === 0) return "";
  const last = lines.length - 1;
  lines[last] = lines[last]!.slice(0, column_end);
  lines[0] = lines[0]!.slice(column);
  return lines.join("\n");
}
