import { expect, test } from "@jest/globals";
import { readFolder } from "../../../toolkit/migrate/files.ts";
import { statementProblems } from "../../../toolkit/migrate/plan.ts";
import { alone, makeFolder, sql, steady } from "./support.ts";

/** Everything that is wrong with a folder whose migrations are all pending. */
async function problemsOf(entries: Record<string, string>): Promise<string[]> {
  const folder = await makeFolder(entries);
  const { files, problems } = await readFolder(folder.directory);
  return [...problems, ...(await statementProblems(files, files))].map((text) => steady(text, folder));
}

test("files are read in the order of their numbers, and others in the folder are left alone", async () => {
  const { directory } = await makeFolder({
    "0010_c.ts": alone("select 1"),
    "0002_b.sql": sql("select 1"),
    "0001_a.js": alone("select 1"),
    "README.md": "words",
    ".0003_editor.sql.swp": "",
  });
  const { files, problems } = await readFolder(directory);
  expect(files.map(({ name }) => name)).toEqual(["0001_a", "0002_b", "0010_c"]);
  expect(problems).toEqual([]);
});

test("a checksum does not hang on line endings, but on every other character", async () => {
  const text = sql("select 1");
  const { directory } = await makeFolder({
    "0001_a.sql": text,
    "0002_b.sql": text.replaceAll("\n", "\r\n"),
    "0003_c.sql": `${text} `,
  });
  const [a, b, c] = (await readFolder(directory)).files.map(({ checksum }) => checksum);
  expect(a).toMatch(/^[0-9a-f]{64}$/);
  expect(b).toBe(a);
  expect(c).not.toBe(a);
});

test("a folder that is not there is named", async () => {
  expect((await readFolder("no/such/folder")).problems).toEqual([
    `the folder of migrations, no/such/folder, cannot be read
  why: ENOENT: no such file or directory, scandir '${process.cwd()}/no/such/folder'
  fix: Create it, or run from the project's root.`,
  ]);
});

test("a folder without a migration is named", async () => {
  expect(await problemsOf({ "README.md": "words" })).toEqual([
    `the folder migrations holds no migration
  fix: Add one, such as 0001_first_table.ts.`,
  ]);
});

test("a TypeScript file that does not parse is named with its line", async () => {
  expect(await problemsOf({ "0001_a.ts": "export function up(pgm) {\n  pgm.sql('select 1';\n}\n" })).toEqual([
    `migrations/0001_a.ts:2 cannot be loaded
  why: Unexpected token, expected ","
  fix: Correct the file.`,
  ]);
});

test("a TypeScript file that fails while it is loaded is named with its line", async () => {
  expect(await problemsOf({ "0001_a.ts": "export const down = false;\n\nexport const up = nowhere;\n" })).toEqual([
    `migrations/0001_a.ts:3 cannot be loaded
  why: nowhere is not defined
  fix: Correct the file.`,
  ]);
});

test("an SQL file with an open string is named with its line", async () => {
  expect(await problemsOf({ "0001_a.sql": sql("select 1;\nselect 'a") })).toEqual([
    `migrations/0001_a.sql:3 cannot be loaded
  why: a string is not closed
  fix: Correct the file.`,
  ]);
});

test("a file without up, without down, or an SQL file without its way back is named", async () => {
  expect(
    await problemsOf({
      "0001_a.ts": "export const down = false;",
      "0002_b.ts": "export function up(pgm) { pgm.sql('select 1'); }",
      "0003_c.sql": "select 1;",
      "0004_d.ts": "export function up(pgm) { pgm.sql('select 1'); }\nexport const down = false;",
    }),
  ).toEqual([
    `migrations/0001_a.ts exports no function "up"
  fix: Export it: \`export function up(pgm: MigrationBuilder): void { … }\`.`,
    `migrations/0002_b.ts exports no function "down"
  fix: Export the reverse of \`up\`; if it cannot be undone, say so: \`export const down = false;\`.`,
    `migrations/0003_c.sql has no part that undoes it
  fix: Add the line \`-- Down Migration\` and the statements that undo it; if it cannot be undone, write it as a .ts file with \`export const down = false;\`.`,
  ]);
});

test("two migrations with the same number are named, with the next free one", async () => {
  expect(
    await problemsOf({ "0001_a.sql": sql("select 1"), "0001_b.sql": sql("select 1"), "0007_c.sql": sql("select 1") }),
  ).toEqual([
    `2 migrations in migrations have the number 0001: 0001_a.sql, 0001_b.sql
  why: Their order would hang on their names.
  fix: Give the later one the next free number, 0008.`,
  ]);
});

test.each(["1_a.sql", "0001-a.sql", "first.ts", "0001_a.mjs", "0001_a.SQL"])(
  "a file that is not named like a migration is refused: %s",
  async (name) => {
    expect(await problemsOf({ [name]: sql("select 1") })).toEqual([
      `migrations/${name} is not named like a migration
  why: A migration's name is four digits, an underline, and what it does; its kind is .ts, .js or .sql.
  fix: Rename it, such as 0001_first_table.ts.`,
    ]);
  },
);

test("a migration without a transaction has one statement, counted in SQL and not in calls", async () => {
  expect(await problemsOf({ "0001_a.ts": alone("create index concurrently a on t (x); select 1") })).toEqual([
    `migrations/0001_a.ts has 2 statements and no transaction
  why: One that fails halfway leaves the first ones done and is recorded nowhere.
  fix: Write one migration for each statement.`,
  ]);
});

test("an index that is built concurrently has a name", async () => {
  expect(await problemsOf({ "0001_a.ts": alone("create index concurrently on t (x)") })).toEqual([
    `migrations/0001_a.ts builds an index without a name
  why: A killed build leaves an invalid index, which cannot be found again without its name.
  fix: Name it: create index concurrently NAME on …`,
  ]);
});

test("a migration that asks the database while it is built, or that throws, is refused", async () => {
  expect(
    await problemsOf({
      "0001_a.ts": "export async function up(pgm) { await pgm.db.query('select 1'); }\nexport const down = false;",
      "0002_b.ts": "export function up(pgm) { pgm.createTabel('a'); }\nexport const down = false;",
    }),
  ).toEqual([
    `migrations/0001_a.ts asks the database while it is built (pgm.db)
  why: Such a query runs outside the migration's transaction, and stays when the migration fails.
  fix: Write it as pgm.sql(…), with a DO block where it needs a decision.`,
    `migrations/0002_b.ts cannot be rendered
  why: pgm.createTabel is not a function
  fix: Correct the file.`,
  ]);
});

test("type shorthands of earlier migrations count, as they do for node-pg-migrate", async () => {
  const column = "export function up(pgm) { pgm.createTable('b', { x: 'money' }); }\nexport const down = false;";
  const shorthands = "export const shorthands = { money: { type: 'numeric(18,6)', notNull: true } };";
  const folder = await makeFolder({
    "0001_a.ts": `${shorthands}\nexport function up(pgm) {}\nexport function down(pgm) {}`,
    "0002_b.ts": column,
  });
  const { files } = await readFolder(folder.directory);
  const { render, shorthandsUpTo } = await import("../../../toolkit/migrate/render.ts");
  const { statements } = await render(files[1]!, "up", shorthandsUpTo(files, "0002_b"));
  expect(statements[0]?.text).toContain('"x" numeric(18,6) NOT NULL');
});
