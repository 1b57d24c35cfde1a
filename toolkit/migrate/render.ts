import { type ColumnDefinitions, MigrationBuilder } from "node-pg-migrate";
import { type MigrationFile, problem } from "./files.ts";
import { reasonOf } from "./load.ts";
import { type Statement, splitStatements } from "./statements.ts";

/** What a migration would send to the server. */
export interface Rendered {
  statements: Statement[];
  /** False: it calls `pgm.noTransaction()`. */
  transactional: boolean;
}

export type Direction = "up" | "down";

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const known: Record<Direction, WeakMap<MigrationFile, Promise<Rendered>>> = { up: new WeakMap(), down: new WeakMap() };

/**
 * Renders a migration without a database, with the builder that node-pg-migrate itself uses; once for a file that was
 * read, for a run looks at each of them several times.
 * @param shorthands the type shorthands of the migrations before it and its own
 * @throws Error when the migration fails, or asks the database while it is built
 */
export function render(
  migration: MigrationFile,
  direction: Direction,
  shorthands: ColumnDefinitions = {},
): Promise<Rendered> {
  const rendered = known[direction].get(migration) ?? renderNow(migration, direction, shorthands);
  known[direction].set(migration, rendered);
  return rendered;
}

async function renderNow(
  { actions }: MigrationFile,
  direction: Direction,
  shorthands: ColumnDefinitions,
): Promise<Rendered> {
  const action = actions[direction];
  if (action === false) throw new Error("it exports down = false");
  const builder = new MigrationBuilder(refusing, shorthands, false, silent);
  if (action.length === 2) await new Promise<void>((done) => void action(builder, done));
  else await action(builder);
  return {
    statements: builder.getSqlSteps().flatMap((step) => splitStatements(step)),
    transactional: builder.isUsingTransaction(),
  };
}

class AsksDatabase extends Error {}

const refuse = () => {
  throw new AsksDatabase();
};
const refusing = { query: refuse, select: refuse, column: refuse } as never;

const shorthandsOf = new WeakMap<readonly MigrationFile[], Map<string, ColumnDefinitions>>();

/** The type shorthands that each migration sees: its own and those of the files before it, as node-pg-migrate does. */
export function shorthandsUpTo(files: readonly MigrationFile[], name: string): ColumnDefinitions {
  const all = shorthandsOf.get(files) ?? new Map<string, ColumnDefinitions>();
  if (all.size === 0) {
    let seen: ColumnDefinitions = {};
    for (const { name, actions } of files) {
      if (actions.shorthands) seen = { ...seen, ...actions.shorthands };
      all.set(name, seen);
    }
    shorthandsOf.set(files, all);
  }
  return all.get(name) ?? {};
}

/**
 * What is wrong with the statements of a migration, known without a database: a text (what, why, fix) for each mistake.
 * @param files the whole folder, for the type shorthands
 */
export async function renderProblems(files: readonly MigrationFile[], migration: MigrationFile): Promise<string[]> {
  const { file } = migration;
  let rendered: Rendered;
  try {
    rendered = await render(migration, "up", shorthandsUpTo(files, migration.name));
  } catch (error) {
    return [
      error instanceof AsksDatabase
        ? problem(
            `${file} asks the database while it is built (pgm.db)`,
            "Such a query runs outside the migration's transaction, and stays when the migration fails.",
            "Write it as pgm.sql(…), with a DO block where it needs a decision.",
          )
        : problem(`${file} cannot be rendered`, reasonOf(error), "Correct the file."),
    ];
  }
  return rendered.transactional ? [] : unsafeWithoutTransaction(file, rendered.statements);
}

function unsafeWithoutTransaction(file: string, statements: Statement[]): string[] {
  const found: string[] = [];
  if (statements.length !== 1)
    found.push(
      problem(
        `${file} has ${statements.length} statements and no transaction`,
        "One that fails halfway leaves the first ones done and is recorded nowhere.",
        "Write one migration for each statement.",
      ),
    );
  for (const { text } of statements)
    if (builtIndex(text)?.name === "")
      found.push(
        problem(
          `${file} builds an index without a name`,
          "A killed build leaves an invalid index, which cannot be found again without its name.",
          "Name it: create index concurrently NAME on …",
        ),
      );
  return found;
}

const identifier = String.raw`"(?:[^"]|"")+"|[a-z_\u0080-\uffff][\w$\u0080-\uffff]*`;
const concurrentBuild = new RegExp(
  String.raw`^create\s+(unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?(?:(?!on\s)(${identifier})\s+)?` +
    String.raw`on\s+(?:only\s+)?(?:(${identifier})\s*\.\s*)?(${identifier})([\s\S]*)$`,
  "i",
);
const concurrentDrop = new RegExp(
  String.raw`^drop\s+index\s+concurrently\s+(?:if\s+exists\s+)?(?:(${identifier})\s*\.\s*)?(${identifier})` +
    String.raw`(?:\s+(?:cascade|restrict))?\s*;?\s*$`,
  "i",
);

/** What CREATE INDEX CONCURRENTLY builds. */
export interface BuiltIndex {
  /** "" where the statement names none. */
  name: string;
  /** The schema of its table, and hence its own. */
  schema: string;
  table: string;
  unique: boolean;
  /** What follows the table: its method, columns and conditions. */
  definition: string;
}

/** The index that a statement builds concurrently. */
export function builtIndex(statement: string): BuiltIndex | undefined {
  const match = concurrentBuild.exec(withoutLeadingComments(statement));
  if (!match) return undefined;
  const [, unique, name = "", schema = "public", table = "", definition = ""] = match;
  return {
    name: unquote(name),
    schema: unquote(schema),
    table: unquote(table),
    unique: Boolean(unique),
    definition: definition.replace(/[\s;]+$/, ""),
  };
}

/** The index that a statement drops concurrently; looked for in the schema public where it names none. */
export function droppedIndex(statement: string): { name: string; schema: string } | undefined {
  const match = concurrentDrop.exec(withoutLeadingComments(statement));
  return match ? { name: unquote(match[2]!), schema: unquote(match[1] ?? "public") } : undefined;
}

function unquote(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name.toLowerCase();
}

/** A statement from its first word on. */
export function withoutLeadingComments(statement: string): string {
  return statement.replace(/^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/, "");
}
