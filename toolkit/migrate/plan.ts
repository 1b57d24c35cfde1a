import type pg from "pg";
import { UserError } from "../errors.ts";
import { type Drift, driftProblems, findDrift } from "./drift.ts";
import { type MigrationFile, nextNumber, problem } from "./files.ts";
import { fingerprintOf, schemaLines } from "./fingerprint.ts";
import { type Journal, readJournal } from "./journal.ts";
import { renderProblems } from "./render.ts";

/** What the database says of itself. */
export interface Situation {
  /** Names out of pgmigrations, in the order in which they ran. */
  applied: string[];
  journal: Journal;
  lines: string[];
  /** The fingerprint of `lines`. */
  fingerprint: string;
  /** Major version of the server. */
  major: number;
}

/** What there is to do. */
export interface Plan {
  pending: MigrationFile[];
  /** The drift that the user has accepted. */
  accepted: Drift | undefined;
  /** What speaks against touching this database: a text (what, why, fix) for each. */
  problems: string[];
}

/** Reads a database. Only reads: also right for a preview. */
export async function readSituation(client: pg.ClientBase): Promise<Situation> {
  const { rows } = await client.query(
    `select to_regclass('public.pgmigrations') is not null as present,
            current_setting('server_version_num')::int / 10000 as major`,
  );
  const ran = rows[0].present
    ? await client.query("select name from public.pgmigrations order by run_on, id")
    : { rows: [] };
  const lines = await schemaLines(client);
  return {
    applied: ran.rows.map(({ name }) => name),
    journal: await readJournal(client),
    lines,
    fingerprint: fingerprintOf(lines),
    major: rows[0].major,
  };
}

/** Compares the folder with the database. */
export function makePlan(
  directory: string,
  files: readonly MigrationFile[],
  situation: Situation,
  acceptDrift = "",
): Plan {
  const { applied, journal, lines } = situation;
  const done = new Set(applied);
  const drift = findDrift(
    files.filter(({ name }) => done.has(name)),
    journal,
    lines,
    isExplained(situation),
  );
  const accepted = drift && drift.token === acceptDrift ? drift : undefined;
  return {
    pending: files.filter(({ name }) => !done.has(name)),
    accepted,
    problems: [
      ...lostFiles(directory, files, applied),
      ...(drift && !accepted ? driftProblems(drift, journal, acceptDrift) : []),
    ],
  };
}

/** What is wrong with the statements of migrations, known without a database. */
export async function statementProblems(
  files: readonly MigrationFile[],
  migrations: readonly MigrationFile[],
): Promise<string[]> {
  return (await Promise.all(migrations.map((migration) => renderProblems(files, migration)))).flat();
}

/**
 * Whether something else than a hand accounts for a schema that is not the recorded one: a run that was killed, or
 * node-pg-migrate run without us, or a server of another version, which may print definitions another way.
 */
function isExplained({ applied, journal: { rows, schema }, major }: Situation): boolean {
  const known = new Map(rows.map((row) => [row.name, row]));
  const done = new Set(applied);
  const ranUnseen = applied.some((name) => known.get(name)?.unfinished ?? true);
  const interrupted = rows.some((row) =>
    done.has(row.name) ? row.reverting && !row.transactional : !row.unfinished || !row.transactional,
  );
  return ranUnseen || interrupted || schema?.major !== major;
}

function lostFiles(directory: string, files: readonly MigrationFile[], applied: readonly string[]): string[] {
  const present = new Set(files.map(({ name }) => name));
  const lost = applied.filter((name) => !present.has(name));
  if (lost.length === 0) return [];
  if (lost.length === applied.length)
    return [
      problem(
        `the database has ${applied.length} applied migrations, and none of them is in ${directory}`,
        `Its table pgmigrations lists ${abbreviated(lost)}: it belongs to another folder.`,
        "Point the stack at another database, or restore the folder.",
      ),
    ];
  return [
    problem(
      `${lost.length === 1 ? "an applied migration is" : `${lost.length} applied migrations are`} not in ${directory}: ${abbreviated(lost)}`,
      "Without the file it can be neither compared nor undone.",
      "Restore the file from version control. To take a migration back, write a new one that undoes it.",
    ),
  ];
}

/**
 * The pending migrations up to one, or all of them; none where it is applied.
 * @param last its name; all are meant when it is left out or empty
 * @throws UserError when there is no such migration
 */
export function upTo(
  pending: readonly MigrationFile[],
  applied: readonly string[],
  last: string | undefined,
): MigrationFile[] {
  if (!last) return [...pending];
  const index = pending.findIndex(({ name }) => name === last);
  if (index < 0 && !applied.includes(last))
    throw new UserError(`there is no migration ${last}`, {
      fix: `Use the name of a migration without its extension, such as ${pending[0]?.name ?? applied.at(-1)}.`,
      exitCode: 2,
    });
  return pending.slice(0, index + 1);
}

/** Pending migrations that precede an applied one. */
export function outOfOrder(files: readonly MigrationFile[], pending: readonly MigrationFile[]): string[] {
  const waiting = new Set(pending.map(({ name }) => name));
  const lastApplied = files.findLastIndex(({ name }) => !waiting.has(name));
  const next = Number(nextNumber(files.map(({ name }) => name)));
  return files
    .slice(0, Math.max(lastApplied, 0))
    .filter(({ name }) => waiting.has(name))
    .map(({ name, file }, index) =>
      problem(
        `${file} is pending, but ${files[lastApplied]!.name}, which comes after it, is applied`,
        "A new database would run them in another order than this one.",
        `Rename it to ${file.replace(name, String(next + index).padStart(4, "0") + name.slice(4))}.`,
      ),
    );
}

/** A list of names for a message: all of a few, the ends of many. */
export function abbreviated(names: readonly string[]): string {
  return names.length <= 5 ? names.join(", ") : `${names[0]}, ${names[1]}, … ${names.at(-1)} (${names.length})`;
}
