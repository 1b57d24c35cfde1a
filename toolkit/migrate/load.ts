import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { ColumnDefinitions, MigrationBuilder } from "node-pg-migrate";
import { loadMigrationUnits } from "node-pg-migrate/migrationLoader";
import { messageOf, UserError } from "../errors.ts";
import { type Acceptances, acceptanceProblem, acceptancesInSql } from "./hazards/accepts.ts";
import { splitStatements } from "./statements.ts";

/** What a migration does; node-pg-migrate calls these. */
export type MigrationAction = (pgm: MigrationBuilder, run?: () => void) => Promise<void> | void;

export interface MigrationActions {
  up: MigrationAction;
  /** false: it says of itself that it cannot be undone. */
  down: MigrationAction | false;
  shorthands?: ColumnDefinitions;
  /** Hazards that it takes on, each with the reason. */
  accepts?: Acceptances;
}

/**
 * Loads one migration with node-pg-migrate's own loader, so that what is checked is what runs.
 * @param file path from the current folder
 * @returns its actions and its text, or a text (what, why, fix) that says what is wrong with it
 */
export async function loadActions(
  file: string,
): Promise<{ actions: MigrationActions; text: string } | { problem: string }> {
  const path = resolve(file);
  let [actions, text]: [Partial<MigrationActions>, string] = [{}, ""];
  try {
    text = await readFile(path, "utf8");
    const sql = file.endsWith(".sql") ? text : undefined;
    if (sql !== undefined) splitStatements(sql);
    const [unit] = await loadMigrationUnits({}, [path]);
    const exported = unit!.actions as Partial<MigrationActions>;
    actions = sql === undefined ? exported : { ...exported, accepts: acceptancesInSql(sql) };
  } catch (error) {
    const { line, reason } = locate(error, path);
    const what = `${file}${line ? `:${line}` : ""} cannot be loaded`;
    return { problem: new UserError(what, { why: reason, fix: "Correct the file." }).message };
  }
  if (typeof actions.up !== "function")
    return {
      problem: new UserError(`${file} exports no function "up"`, {
        fix: "Export it: `export function up(pgm: MigrationBuilder): void { … }`.",
      }).message,
    };
  if (file.endsWith(".sql") && actions.down === false)
    return {
      problem: new UserError(`${file} has no part that undoes it`, {
        fix:
          "Add the line `-- Down Migration` and the statements that undo it; " +
          "if it cannot be undone, write it as a .ts file with `export const down = false;`.",
      }).message,
    };
  if (typeof actions.down !== "function" && actions.down !== false)
    return {
      problem: new UserError(`${file} exports no function "down"`, {
        fix: "Export the reverse of `up`; if it cannot be undone, say so: `export const down = false;`.",
      }).message,
    };
  const notAccepted = acceptanceProblem(actions.accepts);
  if (notAccepted)
    return {
      problem: new UserError(`${file} accepts a hazard in a way that does not count`, {
        why: notAccepted,
        fix: 'Say why it is safe: `-- accepts RULE: reason`, or `export const accepts = { "RULE": "reason" }`.',
      }).message,
    };
  return { actions: actions as MigrationActions, text };
}

/** The line of a file at which loading it failed, from 1, and the reason without its path. */
function locate(error: unknown, path: string): { line: string | undefined; reason: string } {
  const own = (error as { line?: number }).line;
  const [message, stack] = [messageOf(error), (error as { stack?: string }).stack ?? ""];
  const line = own === undefined ? (lineOf(message, path) ?? lineOf(stack, path)) : String(own);
  const reason = reasonOf(error)
    .replace(/\nRequire stack:[\s\S]*/, "")
    .replaceAll(path, "")
    .replace(/\s+:\d+:\d+/, "");
  return { line, reason: reason.replace(/\s+/g, " ").trim() };
}

/** The message of what a migration's own code threw; it comes with its class where the loader made it. */
export function reasonOf(error: unknown): string {
  return messageOf(error).replace(/^\w*Error: /, "");
}

function lineOf(text: string, path: string): string | undefined {
  const at = text.indexOf(`${path}:`);
  return at < 0 ? undefined : /^\d+/.exec(text.slice(at + path.length + 1))?.[0];
}
