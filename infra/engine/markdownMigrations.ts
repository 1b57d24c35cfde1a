import { execFileSync } from "node:child_process";
import { type Connection, withClient } from "../../toolkit/connection.ts";
import { messageOf, UserError } from "../../toolkit/errors.ts";
import { type AssessOptions, assess, type Live } from "../../toolkit/migrate/assess.ts";
import { planMarkdown } from "../../toolkit/migrate/commands/planMarkdown.ts";
import { type MigrationFile, readFolder } from "../../toolkit/migrate/files.ts";
import { makePlan, readSituation } from "../../toolkit/migrate/plan.ts";
import { containsUnknown } from "../../toolkit/unknown.ts";
import { code } from "./markdownText.ts";
import type { Report } from "./report.ts";
import { isObject, revealed } from "./wire.ts";

// As in the provider's own check: a preview must not hang on a server that is away.
const reading = {
  applicationName: "postgres-from-code preview",
  connectTimeout: 5_000,
  statementTimeout: 15_000,
};

/**
 * The pending migrations of a stack with their hazards and locks, in Markdown. With sizes where the database can be
 * asked; otherwise with the locks that they take on an empty copy of the schema.
 * @param base the git commit whose migrations count as applied where neither a database nor a state tells
 * @param say gets a line where the migrations cannot be assessed, and their names alone are listed
 */
export async function pendingMigrations(
  { inputs, applied: recorded }: NonNullable<Report["schema"]>,
  base: string | undefined,
  say: (line: string) => void,
): Promise<string> {
  const directory = String(inputs.directory);
  const { files } = await readFolder(directory);
  const connection = revealed(inputs.connection);
  if (isObject(connection) && !containsUnknown(connection)) {
    const asked = await askDatabase(connection as unknown as Connection, directory, files, say);
    if (asked) return asked;
  }
  const byBase = recorded.length === 0 && base !== undefined;
  const applied = byBase ? namesAt(base, directory) : recorded;
  const pending = files.filter(({ name }) => !applied.includes(name));
  const section = await assessed({}, files, pending, { applied }, say);
  return byBase ? `${section}\nWhat ${code(base)} holds counts as applied: nobody asked the database.` : section;
}

/** The section by the live database; undefined where it does not answer, which the provider's check has told already. */
async function askDatabase(
  connection: Connection,
  directory: string,
  files: readonly MigrationFile[],
  say: (line: string) => void,
): Promise<string | undefined> {
  try {
    return await withClient(connection, reading, async (client) => {
      await client.query("set default_transaction_read_only to on");
      const situation = await readSituation(client);
      return assessed({ client, situation }, files, makePlan(directory, files, situation).pending, {}, say);
    });
  } catch {
    return undefined;
  }
}

async function assessed(
  live: Live,
  files: readonly MigrationFile[],
  pending: readonly MigrationFile[],
  options: AssessOptions,
  say: (line: string) => void,
): Promise<string> {
  try {
    return planMarkdown(await assess(live, files, pending, options), files.length);
  } catch (error) {
    say(`the pending migrations are listed without hazards and locks: ${messageOf(error)}`);
    const list = pending.map(({ name }) => `- ${code(name)}`).join("\n");
    return `### Migrations: ${pending.length} of ${files.length} pending\n\n${list}\n`;
  }
}

/**
 * The migrations of a commit, by name.
 * @throws UserError where git does not know the commit
 */
function namesAt(commit: string, directory: string): string[] {
  try {
    const args = ["ls-tree", "--name-only", "--end-of-options", commit, `${directory}/`];
    const list = execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    return list.split("\n").flatMap((path) => /([^/]+)\.\w+$/.exec(path)?.[1] ?? []);
  } catch (error) {
    throw new UserError(`the migrations of ${commit} cannot be listed`, {
      why: String((error as { stderr?: unknown }).stderr || messageOf(error)).trim(),
      fix: `Fetch it first (\`git fetch origin ${commit.replace(/^origin\//, "")}\`), or leave --base out.`,
    });
  }
}
