import { messageOf, UserError } from "../errors.ts";
import { watchBlockers } from "./blockers.ts";
import { ConnectionLost } from "./failure.ts";
import type { MigrationFile } from "./files.ts";
import { fingerprintOf, schemaLines } from "./fingerprint.ts";
import { quoted } from "./invalidIndexes.ts";
import { forgetAttempts } from "./journal.ts";
import { readSituation } from "./plan.ts";
import { builtIndex } from "./render.ts";
import { revert } from "./rollback.ts";
import { renderFor } from "./run.ts";
import { namesOf, type Session } from "./session.ts";
import { finishRun, type RunRecord, recordStep } from "./steps.ts";
import { countTables, rowFindings } from "./validateRows.ts";
import { clearBuild } from "./withoutTransaction.ts";

/**
 * Undoes every migration of a run that failed, the last applied first, and makes sure that the database is as it was.
 * @param cause what the run failed with
 * @param attempted the migration at which it failed; undefined when it was the result that is not valid
 * @returns the error to throw: what failed, and how the database is now
 */
export async function goBack(
  session: Session,
  record: RunRecord,
  cause: unknown,
  attempted: MigrationFile | undefined,
): Promise<UserError> {
  const { client } = session;
  const failed = attempted ? messageOf(cause) : `the result of the migrations is not valid:\n${messageOf(cause)}`;
  const end = async (result: "failed" | "rolled back", text: string) => {
    await finishRun(client, record, result, messageOf(cause).split("\n")[0]!).catch(() => {});
    return new UserError(`${failed}\n${text}`, { cause });
  };
  try {
    const left = attempted && (await clearAttempt(session, attempted));
    const { applied } = await readSituation(client);
    const toUndo = applied
      .slice(record.appliedBefore.length)
      .reverse()
      .map((name) => session.files.find((file) => file.name === name)!);
    const stuck = toUndo.filter(({ actions }) => actions.down === false);
    if (stuck.length > 0)
      return await end(
        "failed",
        [
          `  not undone: ${namesOf(stuck).join(", ")} cannot be undone (down = false), so all of this run stays applied: ${namesOf(toUndo).reverse().join(", ")}`,
          wayBack(record),
        ].join("\n"),
      );
    const undone: string[] = [];
    for (const migration of toUndo) {
      const step = { kind: "rollback", migration: migration.name } as const;
      try {
        await recordStep(client, record, step, (measured) => revert(session, migration, measured));
      } catch (error) {
        if (error instanceof ConnectionLost) throw error;
        const rest = namesOf(toUndo).slice(undone.length).reverse();
        return await end(
          "failed",
          [
            `  going back stopped: ${messageOf(error)}`,
            `  undone: ${undone.join(", ") || "nothing"}; still applied: ${rest.join(", ")}`,
            wayBack(record),
          ].join("\n"),
        );
      }
      undone.push(migration.name);
    }
    if (left) return await end("failed", `  undone: ${undone.join(", ") || "nothing was to be undone"}. ${left}`);
    const differences = await differencesFrom(session, record);
    if (differences.length > 0) return await end("failed", [...differences, wayBack(record)].join("\n"));
    return await end(
      "rolled back",
      undone.length > 0
        ? `  undone: ${undone.join(", ")}. The database is as it was before this run.`
        : "  The database is as it was before this run.",
    );
  } catch (error) {
    // The record of the run stays open: the next one goes on with it.
    return new UserError(`${failed}\nthen going back was interrupted: ${messageOf(error)}`, {
      ...(error instanceof ConnectionLost ? {} : { fix: wayBack(record) }),
      cause,
    });
  }
}

/**
 * Clears what the migration that failed may have left: its entry in the journal, and an index half built.
 * @returns what is left all the same, a whole sentence
 */
async function clearAttempt(session: Session, migration: MigrationFile): Promise<string | undefined> {
  const { client, connection } = session;
  const { transactional, statements } = await renderFor(session, migration, "up");
  const index = transactional ? undefined : builtIndex(statements[0]?.text ?? "");
  if (index) {
    const pid = (client as unknown as { processID: number }).processID;
    const watch = watchBlockers(connection, pid, { interval: 2_000 });
    const cleared = await clearBuild(session, index, watch).finally(() => watch.stop());
    // The entry in the journal stays, and accounts for the index until the next run.
    if (!cleared)
      return `The index ${quoted(index)} of ${migration.name} is still there; the next \`up\` finds out how far it is, and goes on.`;
  }
  await forgetAttempts(client, [migration.name]);
  return undefined;
}

/** In what the database is not as it was before the run, a line each. */
async function differencesFrom({ client, say }: Session, record: RunRecord): Promise<string[]> {
  const found: string[] = [];
  if (fingerprintOf(await schemaLines(client)) !== record.fingerprintBefore)
    found.push(
      "  all was undone, but the schema is not what it was before: a down does not take back all that its up did",
    );
  if (record.baseline && record.baseline.rows.length > 0) {
    // Every table counts, whether it was touched or not.
    const everything = record.baseline.rows.map(({ table }) => table).join("\n");
    for (const { what } of rowFindings(record.baseline.rows, await countTables(client), everything)) {
      say(`warning: ${what}`);
      found.push(`  all was undone, but rows are gone: ${what}`);
    }
  }
  return found;
}

/** The step that brings back what migrations cannot. */
function wayBack({ backup }: RunRecord): string {
  return backup
    ? `  fix: To have the database as it was before this run, restore its backup: npm run runbook -- restore-backup --set backup=${backup}`
    : "  fix: There is no backup of before this run. Correct what is said above by a new migration, or restore an older backup: npm run runbook -- restore-backup";
}
