import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "@jest/globals";
import { createDatabase, type TestDatabase } from "../../support/database.ts";

/** A folder of migrations of a test's own. */
export interface Folder {
  directory: string;
  write(files: Record<string, string>): Promise<void>;
  remove(file: string): Promise<void>;
}

const clearings: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const clear of clearings) await clear();
});

/** Makes a folder with these files; it goes with the test file. */
export async function makeFolder(files: Record<string, string>): Promise<Folder> {
  const directory = await mkdtemp(join(tmpdir(), "migrations-"));
  clearings.push(() => rm(directory, { recursive: true, force: true }));
  const folder: Folder = {
    directory,
    async write(more) {
      for (const [name, text] of Object.entries(more)) await writeFile(join(directory, name), text);
    },
    remove: (file) => rm(join(directory, file)),
  };
  await folder.write(files);
  return folder;
}

/** An empty database that goes with the test file, or before. */
export async function makeDatabase(): Promise<TestDatabase> {
  const database = await createDatabase();
  let dropped: Promise<void> | undefined;
  const drop = () => {
    dropped ??= database.drop();
    return dropped;
  };
  clearings.push(drop);
  return { ...database, drop };
}

/** A migration in SQL. */
export function sql(up: string, down = "select 1"): string {
  return `-- Up Migration\n${up};\n-- Down Migration\n${down};\n`;
}

/** A migration whose statements run outside a transaction. */
export function alone(up: string, down = "select 1"): string {
  const body = (statement: string) => `{ pgm.noTransaction(); pgm.sql(${JSON.stringify(statement)}); }`;
  return `export function up(pgm) ${body(up)}\nexport function down(pgm) ${body(down)}\n`;
}

/** A message without what differs from run to run: the folder, hashes, server processes and times. */
export function steady(message: string, { directory }: Folder): string {
  return message
    .replaceAll(directory, "migrations")
    .replace(/\b[0-9a-f]{12}\b/g, "HASH")
    .replace(/session \d+/g, "session PID")
    .replace(/since \d[^),]+/g, "since TIME");
}

/** The message with which something fails. */
export async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("it did not fail");
}

/** Waits until something is so. */
export async function until(condition: () => unknown): Promise<void> {
  while (!(await condition())) await new Promise((done) => setTimeout(done, 10));
}
