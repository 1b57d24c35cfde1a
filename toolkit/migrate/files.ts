import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { UserError } from "../errors.ts";
import { loadActions, type MigrationActions } from "./load.ts";

/** One file of the folder of migrations. */
export interface MigrationFile {
  /** As node-pg-migrate knows it: the file's name without its extension. */
  name: string;
  /** Path of the file, as the user would type it. */
  file: string;
  /** SHA-256 of the text, in hex. A checkout with other line endings gives the same. */
  checksum: string;
  actions: MigrationActions;
}

const wellNamed = /^\d{4}_[A-Za-z0-9][A-Za-z0-9_-]*\.(ts|js|sql)$/;
// What looks like code or SQL is meant to be a migration; a README.md or an editor's file is not.
const looksLikeMigration = /^[^.].*\.([cm]?[jt]s|sql)$/i;

/**
 * Reads and loads every migration of a folder, in the order of their numbers.
 * @param directory relative to the project's root, which is the current folder
 * @returns the migrations that are well, and a text (what, why, fix) for each mistake
 */
export async function readFolder(directory: string): Promise<{ files: MigrationFile[]; problems: string[] }> {
  let entries: string[];
  try {
    const all = await readdir(resolve(directory), { withFileTypes: true });
    entries = all.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    const what = `the folder of migrations, ${directory}, cannot be read`;
    const fix = "Create it, or run from the project's root.";
    return { files: [], problems: [problem(what, (error as Error).message, fix)] };
  }
  const candidates = entries.filter((name) => looksLikeMigration.test(name)).sort();
  if (candidates.length === 0) {
    const what = `the folder ${directory} holds no migration`;
    return { files: [], problems: [problem(what, undefined, "Add one, such as 0001_first_table.ts.")] };
  }
  const named = candidates.filter((name) => wellNamed.test(name));
  const problems = [
    ...candidates.filter((name) => !wellNamed.test(name)).map((name) => misnamed(join(directory, name))),
    ...sameNumbers(directory, named),
  ];
  const files: MigrationFile[] = [];
  // Side by side: read one after the other, many small ones took longer than to apply them.
  for (const loaded of await Promise.all(named.map((name) => loadFile(directory, name)))) {
    if ("problem" in loaded) problems.push(loaded.problem);
    else files.push(loaded);
  }
  return { files, problems };
}

async function loadFile(directory: string, name: string): Promise<MigrationFile | { problem: string }> {
  const file = join(directory, name);
  const loaded = await loadActions(file);
  if ("problem" in loaded) return loaded;
  const { actions, text } = loaded;
  return { name: name.replace(/\.\w+$/, ""), file, checksum: checksumOf(text), actions };
}

/**
 * {@link readFolder}, for those who cannot go on with a mistake.
 * @throws UserError that lists every mistake
 */
export async function readMigrations(directory: string): Promise<MigrationFile[]> {
  const { files, problems } = await readFolder(directory);
  if (problems.length > 0) throw new UserError(problems.join("\n"));
  return files;
}

/** A text in the form of a {@link UserError}'s message. */
export function problem(what: string, why: string | undefined, fix: string): string {
  return new UserError(what, { ...(why ? { why } : {}), fix }).message;
}

function checksumOf(text: string): string {
  return createHash("sha256").update(text.replaceAll("\r\n", "\n")).digest("hex");
}

function misnamed(file: string): string {
  const why = "A migration's name is four digits, an underline, and what it does; its kind is .ts, .js or .sql.";
  return problem(`${file} is not named like a migration`, why, "Rename it, such as 0001_first_table.ts.");
}

function sameNumbers(directory: string, names: string[]): string[] {
  const byNumber = Map.groupBy(names, (name) => name.slice(0, 4));
  return [...byNumber]
    .filter(([, same]) => same.length > 1)
    .map(([number, same]) =>
      problem(
        `${same.length} migrations in ${directory} have the number ${number}: ${same.join(", ")}`,
        "Their order would hang on their names.",
        `Give the later one the next free number, ${nextNumber(names)}.`,
      ),
    );
}

/** The number after the last one. */
export function nextNumber(names: string[]): string {
  const last = Math.max(0, ...names.map((name) => Number(name.slice(0, 4))));
  return String(last + 1).padStart(4, "0");
}
