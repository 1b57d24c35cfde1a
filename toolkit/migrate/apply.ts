import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import type { MigrationFile } from "./files.ts";
import { fingerprintOf, schemaLines } from "./fingerprint.ts";
import { invalidIndexes } from "./invalidIndexes.ts";
import { type Entry, finishEntries, forgetAttempts, startEntries } from "./journal.ts";
import { outOfOrder, statementProblems, upTo } from "./plan.ts";
import type { Rendered } from "./render.ts";
import { renderFor, runMigration } from "./run.ts";
import { type MigrationOptions, namesOf, type Session, withMigrationSession } from "./session.ts";
import type { Measured } from "./steps.ts";

/** How the schema is after a run. */
export interface Applied {
  /** Every applied migration, in order. */
  applied: string[];
  head: string | null;
  /** SHA-256 of the schema, in hex. */
  fingerprint: string;
  /** Those that this run applied. */
  ran: string[];
}

/**
 * Applies what is pending, one migration after the other, each with its own transaction. Safe to run again after it
 * failed or was killed at any moment: it goes on where the last run stopped.
 * @throws UserError when something speaks against it (nothing is touched then) or when a migration fails (those before
 *   it stay applied and recorded)
 * @param options.to the last migration to apply; all of them when left out
 */
export function applyMigrations(connection: Connection, options: MigrationOptions & { to?: string }): Promise<Applied> {
  return withMigrationSession(connection, options, async (session) => {
    const pending = upTo(session.plan.pending, session.situation.applied, options.to);
    await refuseProblems(session, pending);
    const { lines } = await applyAll(session, pending, (migration, rendered) => apply(session, migration, rendered));
    if (pending.length > 0) await warnOfInvalidIndexes(session);
    const applied = [...session.situation.applied, ...namesOf(pending)];
    return { applied, head: applied.at(-1) ?? null, fingerprint: fingerprintOf(lines), ran: namesOf(pending) };
  });
}

/** @throws UserError that lists what speaks against these, known without running them */
export async function refuseProblems(session: Session, pending: readonly MigrationFile[]): Promise<void> {
  const problems = [
    ...outOfOrder(session.files, session.plan.pending),
    ...(await statementProblems(session.files, pending)),
  ];
  if (problems.length > 0) throw new UserError(problems.join("\n"));
}

/**
 * Applies migrations one after the other, and records what ran and the schema as it is then: at the end, also where one
 * of them fails, and before each that has no transaction, for what such a one leaves behind when it fails is not to be
 * recorded. Reading the catalog after every migration took most of the time of many small ones. Were the run killed
 * before a record, the entries announced would tell the next one that the schema was changed by it and not by hand.
 *
 * Those with a transaction are announced all at once: such an entry accounts for a difference of the schema only where
 * pgmigrations says that it ran, so that one too many does no harm. One without a transaction accounts for whatever it
 * left halfway, and is announced when its turn has come.
 * @param each applies one; called for each in order
 */
export async function applyAll(
  session: Session,
  pending: readonly MigrationFile[],
  each: (migration: MigrationFile, rendered: Rendered) => Promise<void>,
): Promise<{ lines: string[] }> {
  const { client } = session;
  let { lines } = session.situation;
  let unrecorded: Entry[] = [];
  async function record(): Promise<void> {
    if (unrecorded.length === 0) return;
    lines = await schemaLines(client);
    await finishEntries(client, unrecorded, lines);
    unrecorded = [];
  }
  const work = await Promise.all(
    pending.map(async (migration) => {
      const rendered = await renderFor(session, migration, "up");
      const { name, checksum } = migration;
      return { migration, rendered, entry: { name, checksum, transactional: rendered.transactional } };
    }),
  );
  const together = work.filter(({ rendered }) => rendered.transactional).map(({ entry }) => entry);
  let begun = 0;
  try {
    await startEntries(client, together);
    for (const { migration, rendered, entry } of work) {
      if (!entry.transactional) {
        await record();
        await startEntries(client, [entry]);
      }
      begun += 1;
      await each(migration, rendered);
      unrecorded.push({ ...entry, finishedAt: new Date() });
    }
  } catch (error) {
    // Where the connection is gone, the next run does both.
    const announced = work.slice(begun).flatMap(({ entry }) => (entry.transactional ? [entry.name] : []));
    await record()
      .then(() => forgetAttempts(client, announced))
      .catch(() => {});
    throw error;
  }
  await record();
  return { lines };
}

/** Applies one migration, which the journal knows to be about to run: {@link applyAll} sees to it. */
export async function apply(
  session: Session,
  migration: MigrationFile,
  rendered: Rendered,
  measured?: Measured,
): Promise<void> {
  const started = Date.now();
  await runMigration(session, migration, "up", rendered, measured);
  session.say(`applied ${migration.name} in ${((Date.now() - started) / 1000).toFixed(2)} s`);
}

async function warnOfInvalidIndexes({ client, say }: Session): Promise<void> {
  for (const index of await invalidIndexes(client))
    say(`warning: the index ${index} is invalid: reindex index concurrently ${index}`);
}
