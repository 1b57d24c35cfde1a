import type { Connection } from "../connection.ts";
import { UserError } from "../errors.ts";
import { explainFailure, nothingSent } from "./failure.ts";
import type { MigrationFile } from "./files.ts";
import { fingerprintOf, schemaLines } from "./fingerprint.ts";
import { forgetEntries, startRevert } from "./journal.ts";
import { renderFor, runMigration } from "./run.ts";
import { type MigrationOptions, namesOf, type Session, withMigrationSession } from "./session.ts";
import type { Measured } from "./steps.ts";

/** How the schema is after migrations were undone. */
export interface Reverted {
  /** Every migration that is still applied, in order. */
  applied: string[];
  head: string | null;
  /** SHA-256 of the schema, in hex. */
  fingerprint: string;
  /** Those that were undone, the last applied first. */
  reverted: string[];
}

/**
 * Undoes the last migrations, the last applied first, by their `down`.
 * @param options.count how many; 1 when left out
 * @param options.to instead of a count: the migration to go back to, which stays applied
 * @throws UserError when one of them cannot be undone (nothing is touched then), or when undoing one fails
 */
export function revertMigrations(
  connection: Connection,
  options: MigrationOptions & { count?: number; to?: string },
): Promise<Reverted> {
  return withMigrationSession(connection, options, async (session) => {
    const toRevert = chosen(session, options);
    refuseIrreversible(toRevert);
    let { lines } = session.situation;
    for (const migration of toRevert) lines = await revert(session, migration);
    const applied = session.situation.applied.slice(0, session.situation.applied.length - toRevert.length);
    return {
      applied,
      head: applied.at(-1) ?? null,
      fingerprint: fingerprintOf(lines),
      reverted: namesOf(toRevert),
    };
  });
}

/**
 * Undoes one migration.
 * @returns the lines of the schema afterwards
 */
export async function revert(session: Session, migration: MigrationFile, measured?: Measured): Promise<string[]> {
  const { client, say } = session;
  const started = Date.now();
  const { name, checksum, file } = migration;
  const rendered = await renderFor(session, migration, "down").catch((error) => {
    throw explainFailure(error, {
      name,
      file,
      direction: "down",
      transactional: true,
      sent: nothingSent(),
    });
  });
  await startRevert(client, { name, checksum, transactional: rendered.transactional });
  await runMigration(session, migration, "down", rendered, measured);
  const lines = await schemaLines(client);
  await forgetEntries(client, [name], lines);
  say(`undid ${name} in ${((Date.now() - started) / 1000).toFixed(2)} s`);
  return lines;
}

/**
 * The migrations that are to be undone, the last applied first.
 * @throws UserError when the one to go back to is not applied
 */
export function chosen(
  { files, situation: { applied } }: Session,
  options: { count?: number; to?: string },
): MigrationFile[] {
  const byName = new Map(files.map((file) => [file.name, file]));
  const { count = 1, to } = options;
  const kept = to === undefined ? Math.max(applied.length - count, 0) : applied.indexOf(to) + 1;
  if (to !== undefined && kept === 0)
    throw new UserError(`${to} is not applied`, {
      fix: `Name one of the applied migrations: ${applied.join(", ")}.`,
      exitCode: 2,
    });
  return applied
    .slice(kept)
    .reverse()
    .map((name) => byName.get(name)!);
}

/** @throws UserError when one of these says of itself that it cannot be undone */
export function refuseIrreversible(migrations: readonly MigrationFile[]): void {
  const stuck = migrations.filter(({ actions }) => actions.down === false).map(({ name }) => name);
  if (stuck.length === 0) return;
  throw new UserError(`${stuck.join(", ")} cannot be undone`, {
    why: "It exports down = false.",
    fix: "Restore a backup, or write a new migration that brings back what is needed.",
  });
}
