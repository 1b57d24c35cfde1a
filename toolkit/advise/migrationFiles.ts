import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { messageOf, UserError } from "../errors.ts";
import type { Advice } from "./advise.ts";

/** A migration that one piece of advice makes. */
export interface MigrationText {
  /** Without number and ending. */
  name: string;
  text: string;
}

/** The migrations that follow an advice, a change each, in the order in which they are worth most. */
export function migrationsOf({ indexes, drops }: Pick<Advice, "indexes" | "drops">): MigrationText[] {
  return [
    ...indexes.map(({ name, schema, definition, workload }) => ({
      name: name.replace(/_idx$/, ""),
      text: migration(
        `Advised for a recorded workload: on a sample, ${share(workload)} of its time.`,
        [`create index concurrently if not exists ${name}`, `  on ${definition};`],
        [`drop index concurrently if exists ${schema === "public" ? "" : `${pg.escapeIdentifier(schema)}.`}${name};`],
      ),
    })),
    ...drops.map(({ name, definition, by }) => {
      const plain = name.replace(/^public\./, "");
      const created = definition
        .replace(/^CREATE INDEX /, "create index concurrently if not exists ")
        .replace(" ON ONLY ", " ON ");
      return {
        name: `drop_${plain.replace(/\W/g, "_")}`,
        text: migration(
          `Superfluous beside ${by}: the recorded workload is as fast without it.`,
          [`drop index concurrently if exists ${plain};`],
          [`${created};`],
        ),
      };
    }),
  ];
}

const share = ({ without, with: withIt }: { without: number; with: number }) =>
  `${((100 * (without - withIt)) / without).toFixed(1)} %`;

function migration(comment: string, up: string[], down: string[]): string {
  const sql = (lines: string[]) => {
    const text = lines.map((line) => line.replace(/[\\`]|\$\{/g, "\\$&"));
    return text.length === 1 && !/["\\]/.test(text[0]!)
      ? `pgm.sql("${text[0]}");`
      : `pgm.sql(\`\n    ${text.join("\n    ")}\`);`;
  };
  return `import type { MigrationBuilder } from "node-pg-migrate";

/** ${comment.replaceAll("*/", "* /")} */
export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  ${sql(up)}
}

export async function down(pgm: MigrationBuilder): Promise<void> {
  pgm.noTransaction();
  ${sql(down)}
}
`;
}

/**
 * Writes migrations into a folder, numbered after those that are there.
 * @returns the paths
 * @throws UserError when the folder cannot be read or written
 */
export async function writeMigrations(directory: string, migrations: readonly MigrationText[]): Promise<string[]> {
  try {
    const numbers = (await readdir(directory)).map((file) => Number(/^(\d+)_/.exec(file)?.[1] ?? 0));
    let next = Math.max(0, ...numbers) + 1;
    const files: string[] = [];
    for (const { name, text } of migrations) {
      const file = join(directory, `${String(next++).padStart(4, "0")}_${name}.ts`);
      // Never over one that somebody else wrote meanwhile.
      await writeFile(file, text, { flag: "wx" });
      files.push(file);
    }
    return files;
  } catch (error) {
    throw new UserError(`the migrations cannot be written to ${directory}`, {
      why: messageOf(error),
      fix: "Name the folder of the migrations, such as --write migrations.",
      exitCode: 2,
    });
  }
}
