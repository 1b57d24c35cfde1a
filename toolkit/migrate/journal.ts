import { hostname, userInfo } from "node:os";
import type pg from "pg";
import { UserError } from "../errors.ts";
import { fingerprintOf } from "./fingerprint.ts";

/** What the journal knows of one migration. node-pg-migrate's pgmigrations stays the truth of what is applied. */
export interface JournalRow {
  name: string;
  checksum: string;
  transactional: boolean;
  /** Written before the migration and not after it: the run failed, was killed, or is still at it. */
  unfinished: boolean;
  /** The same, while it is being undone. */
  reverting: boolean;
}

/** The schema as the last run left it. */
export interface RecordedSchema {
  fingerprint: string;
  lines: string[];
  /** Major version of the server that printed the lines; another one may print a definition another way. */
  major: number;
}

export interface Journal {
  rows: JournalRow[];
  schema: RecordedSchema | undefined;
}

/** A migration as it goes into the journal. */
export interface Entry {
  name: string;
  checksum: string;
  transactional: boolean;
  /** When it had run; left out, the moment of the record. */
  finishedAt?: Date;
}

/**
 * Lets the present transaction end before its log is on disk. A server that crashes loses the end of its log and nothing
 * before it: what a later migration commits is never kept without what the journal said before it, and a step whose end is
 * lost is closed as interrupted. That spares such a record its wait for the disk.
 * @see https://www.postgresql.org/docs/current/wal-async-commit.html
 */
export const unhurried = "select set_config('synchronous_commit', 'off', true)";

/** Reads the journal; an absent one is an empty one. */
export async function readJournal(client: pg.ClientBase): Promise<Journal> {
  const found = await client.query("select to_regclass('deploy.recorded_schema') is not null as present");
  if (!found.rows[0].present) return { rows: [], schema: undefined };
  const { rows } = await client.query(
    `select name, checksum, transactional, finished_at is null as unfinished, reverting_at is not null as reverting
     from deploy.migration order by started_at, name`,
  );
  const schemas = await client.query("select fingerprint, lines, major from deploy.recorded_schema");
  return { rows, schema: schemas.rows[0] };
}

/**
 * Creates the journal where it is missing. Looked up first: CREATE … IF NOT EXISTS asks for rights it may not need.
 * @throws UserError when the user may not create it
 */
export async function ensureJournal(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query(
    `select to_regclass('deploy.recorded_schema') is not null as present, to_regnamespace('deploy') is not null as schema,
            quote_ident(current_database()) as database, quote_ident(current_user) as user`,
  );
  if (rows[0].present) return;
  try {
    // One text, hence one transaction: both tables or none.
    await client.query(`
      ${unhurried};
      ${rows[0].schema ? "" : "create schema deploy;"}
      create table deploy.migration (
        name text primary key,
        checksum text not null,
        transactional boolean not null,
        started_at timestamptz not null default now(),
        started_by text not null,
        finished_at timestamptz,
        reverting_at timestamptz
      );
      create table deploy.recorded_schema (
        only_row boolean primary key default true check (only_row),
        fingerprint text not null,
        lines text[] not null,
        major int not null,
        recorded_at timestamptz not null default now()
      )`);
  } catch (error) {
    if ((error as { code?: string }).code !== "42501") throw error;
    throw new UserError("the journal of migrations, schema deploy, cannot be created", {
      why: (error as Error).message,
      fix: `Grant it: grant create on database ${rows[0].database} to ${rows[0].user};`,
      cause: error,
    });
  }
}

/** Tells the journal that migrations are about to run. */
export async function startEntries(client: pg.ClientBase, entries: readonly Entry[]): Promise<void> {
  if (entries.length === 0) return;
  await client.query(
    `insert into deploy.migration (name, checksum, transactional, started_by)
     select name, checksum, transactional, $4
     from unnest($1::text[], $2::text[], $3::boolean[]) as next (name, checksum, transactional), (${unhurried}) as unhurried
     on conflict (name) do update
     set (checksum, transactional, started_by, started_at, finished_at, reverting_at)
         = (excluded.checksum, excluded.transactional, excluded.started_by, now(), null, null)`,
    [...columnsOf(entries), who()],
  );
}

/** Tells the journal that migrations have run, and what the schema is now. */
export async function finishEntries(
  client: pg.ClientBase,
  entries: readonly Entry[],
  lines: readonly string[],
): Promise<void> {
  await inTransaction(client, async () => {
    await client.query(
      `insert into deploy.migration (name, checksum, transactional, started_by, finished_at)
       select name, checksum, transactional, $4, coalesce(finished_at, clock_timestamp())
       from unnest($1::text[], $2::text[], $3::boolean[], $5::timestamptz[])
            as ran (name, checksum, transactional, finished_at)
       on conflict (name) do update set (finished_at, reverting_at) = (excluded.finished_at, null)`,
      [...columnsOf(entries), who(), entries.map(({ finishedAt }) => finishedAt ?? null)],
    );
    await recordSchema(client, lines);
  });
}

function columnsOf(entries: readonly Entry[]): [string[], string[], boolean[]] {
  return [
    entries.map(({ name }) => name),
    entries.map(({ checksum }) => checksum),
    entries.map(({ transactional }) => transactional),
  ];
}

/** Tells the journal that a migration is about to be undone. */
export async function startRevert(client: pg.ClientBase, { name, transactional }: Entry): Promise<void> {
  await client.query("update deploy.migration set reverting_at = now(), transactional = $2 where name = $1", [
    name,
    transactional,
  ]);
}

/** Forgets migrations that are no longer applied, and tells what the schema is now. */
export async function forgetEntries(
  client: pg.ClientBase,
  names: readonly string[],
  lines: readonly string[],
): Promise<void> {
  await inTransaction(client, async () => {
    await client.query("delete from deploy.migration where name = any ($1)", [names]);
    await recordSchema(client, lines);
  });
}

/** Takes back what {@link startEntries} or {@link startRevert} announced and what left nothing behind. */
export async function forgetAttempts(client: pg.ClientBase, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await inTransaction(client, async () => {
    await client.query("delete from deploy.migration where name = any ($1) and finished_at is null", [names]);
    await client.query("update deploy.migration set reverting_at = null where name = any ($1)", [names]);
  });
}

/** Makes the present text of migrations, and the present schema, the recorded ones. */
export async function acceptPresent(
  client: pg.ClientBase,
  edited: readonly { name: string; checksum: string }[],
  lines: readonly string[],
): Promise<void> {
  await inTransaction(client, async () => {
    for (const { name, checksum } of edited)
      await client.query("update deploy.migration set checksum = $2 where name = $1", [name, checksum]);
    await recordSchema(client, lines);
  });
}

async function recordSchema(client: pg.ClientBase, lines: readonly string[]): Promise<void> {
  await client.query(
    `insert into deploy.recorded_schema (fingerprint, lines, major)
     values ($1, $2, current_setting('server_version_num')::int / 10000)
     on conflict (only_row) do update
     set (fingerprint, lines, major, recorded_at) = (excluded.fingerprint, excluded.lines, excluded.major, now())`,
    [fingerprintOf(lines), lines],
  );
}

async function inTransaction(client: pg.ClientBase, work: () => Promise<void>): Promise<void> {
  await client.query("begin");
  try {
    await work();
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}

let self: string | undefined;

/** Who does it: the user of this machine, and the machine. */
export function who(): string {
  self ??= `${userInfo().username}@${hostname()}`;
  return self;
}
