import type { MigrationFile } from "./files.ts";
import { schemaLines } from "./fingerprint.ts";
import { clearInvalidIndex, indexState, isOfPartition } from "./invalidIndexes.ts";
import { type Entry, finishEntries, forgetAttempts, forgetEntries } from "./journal.ts";
import { markAsRun } from "./pgMigrate.ts";
import { abbreviated, type Situation } from "./plan.ts";
import { builtIndex, type Direction, droppedIndex } from "./render.ts";
import { type Run, renderFor } from "./run.ts";

/**
 * Brings the journal, pgmigrations and the schema together again after a run that was killed, or after others used
 * node-pg-migrate. pgmigrations is the truth of what ran; a migration without a transaction that had done its work but
 * was not recorded there is recorded. Under the lock, so that nobody is at it still.
 * @returns whether there was something to bring together: the situation is to be read again then
 */
export async function reconcile(run: Run, situation: Situation): Promise<boolean> {
  const { applied, journal } = situation;
  const files = new Map(run.files.map((file) => [file.name, file]));
  const done = new Set(applied);
  const known = new Map(journal.rows.map((row) => [row.name, row]));

  if (!journal.schema && applied.length > 0)
    run.say(`taking over ${applied.length} migrations that node-pg-migrate applied before: ${abbreviated(applied)}`);
  else if (journal.schema && journal.schema.major !== situation.major)
    run.say(`PostgreSQL went from ${journal.schema.major} to ${situation.major}: recording its schema anew`);

  let { lines } = situation;
  const undone: string[] = [];
  let examined = false;
  for (const row of journal.rows) {
    const migration = files.get(row.name);
    const direction = row.reverting ? "down" : row.unfinished ? "up" : undefined;
    if (!direction || done.has(row.name) !== (direction === "down")) continue;
    if (row.transactional || !migration) {
      undone.push(row.name);
      continue;
    }
    examined = true;
    if (await hasTakenEffect(run, migration, direction, situation)) {
      run.say(`${row.name} had done its work when the last run was interrupted: recording it`);
      await markAsRun(run, migration, direction);
      if (direction === "up") done.add(row.name);
      else done.delete(row.name);
    }
  }
  await forgetAttempts(run.client, undone);
  if (examined) lines = await schemaLines(run.client);

  const unseen = [...done].filter((name) => files.has(name) && (known.get(name)?.unfinished ?? true));
  const gone = journal.rows.filter(({ name, unfinished }) => !unfinished && !done.has(name)).map(({ name }) => name);
  if (journal.schema && unseen.length > 0)
    run.say(`recording what ran outside of \`up\`, or before it was interrupted: ${abbreviated(unseen)}`);
  if (gone.length > 0) run.say(`no longer applied: ${abbreviated(gone)}`);
  const entries = await Promise.all(unseen.map((name) => entryOf(run, files.get(name)!, known.get(name))));
  const changed = entries.length > 0 || journal.schema?.major !== situation.major;
  if (changed) await finishEntries(run.client, entries, lines);
  if (gone.length > 0) await forgetEntries(run.client, gone, lines);
  const recordedFirst = changed && !journal.schema && entries.length === 0;
  return examined || undone.length > 0 || gone.length > 0 || (changed && !recordedFirst);
}

/**
 * Whether an interrupted migration without a transaction did its one statement. An index is looked for by its name; of
 * anything else the schema tells, for a single statement is done wholly or not at all. What left nothing behind is
 * forgotten, so that it explains no difference of the schema.
 */
async function hasTakenEffect(
  run: Run,
  migration: MigrationFile,
  direction: Direction,
  { journal }: Situation,
): Promise<boolean> {
  const { statements } = await renderFor(run, migration, direction);
  const statement = statements[0]?.text ?? "";
  const [index, dropped] = [builtIndex(statement), droppedIndex(statement)];
  const before = index && (await clearInvalidIndex(run.client, index, run.patience, run.say));
  const recorded = new Set(journal.schema?.lines);
  const lines = await schemaLines(run.client);
  const added = lines.filter((line) => !recorded.has(line));
  const removed = recorded.size - (lines.length - added.length);
  // An index that is half dropped, or that some partitions lack: the statement is to be run again, and the attempt
  // still explains the difference.
  if (before === "incomplete") return false;
  if (!index && added.some((line) => line.startsWith("index ") && line.endsWith(" invalid"))) return false;
  let taken = added.length + removed > 0;
  // The indexes of a partition are not in the schema's lines: there the name alone tells.
  if (index) taken = before === "valid" && (added.length > 0 || (await isOfPartition(run.client, index)));
  else if (dropped) taken = (await indexState(run.client, dropped)) === "absent";
  if (!taken) await forgetAttempts(run.client, [migration.name]);
  return taken;
}

/** A migration as it is to be recorded: as it was when it ran, where the journal knows that. */
async function entryOf(run: Run, migration: MigrationFile, known: Entry | undefined): Promise<Entry> {
  if (known) return known;
  const { transactional } = await renderFor(run, migration, "up").catch(() => ({ transactional: true }));
  return { name: migration.name, checksum: migration.checksum, transactional };
}
