import type { EventEmitter } from "node:events";
import { resolve } from "node:path";
import { Migration, runner } from "node-pg-migrate";
import type pg from "pg";
import { nothingSent, type Sent } from "./failure.ts";
import type { MigrationFile } from "./files.ts";
import { type Direction, shorthandsUpTo } from "./render.ts";
import type { Run } from "./run.ts";
import { putRecordsBack, takeRecords } from "./steps.ts";

/** @param before statements that go first in the same text, and are none of its own */
type Query = (text: string, before?: readonly string[]) => Promise<unknown>;
type Database = ConstructorParameters<typeof Migration>[0];

/**
 * Records a migration in pgmigrations as run, or as undone, without running it: for one that had done its work when
 * the run was killed.
 */
export async function markAsRun(run: Run, migration: MigrationFile, direction: Direction): Promise<void> {
  await resetSession(run.client, 0);
  await callRunner(run, migration, direction, { fake: true });
}

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

// What node-pg-migrate needs to know to record a migration.
const options = { migrationsTable: "pgmigrations", direction: "up", singleTransaction: false, dir: "" } as const;

/**
 * Runs one migration with node-pg-migrate, which records it in pgmigrations. Its `Migration` is called, not its
 * `runner`: that would read the folder and look for its table again for every migration, which took most of the time
 * of many small ones.
 * @param how.sent remembers what is sent
 * @param how.fake only records it
 * @param how.lockTimeout milliseconds; for a migration with a transaction, which finds and leaves a session as
 *   {@link resetSession} makes it
 */
export async function callRunner(
  { client, files, records }: Run,
  { name, file, actions }: MigrationFile,
  direction: Direction,
  { sent = nothingSent(), fake = false, lockTimeout }: { sent?: Sent; fake?: boolean; lockTimeout?: number },
): Promise<void> {
  await ensureTable(client);
  const watched = recording(client, sent);
  const taken = lockTimeout === undefined || !records ? [] : takeRecords(records);
  const db = (lockTimeout === undefined ? watched : together(watched, lockTimeout, taken)) as Database;
  const both = actions as ConstructorParameters<typeof Migration>[2];
  const known = { ...options, dbClient: client, direction };
  const migration = new Migration(db, resolve(file), both, known, shorthandsUpTo(files, name), silent);
  try {
    await (fake ? migration.markAsRun(direction) : migration.apply(direction));
  } catch (error) {
    if (records && sent.completed < 0) putRecordsBack(records, taken);
    throw error;
  }
}

const prepared = new WeakSet<pg.Client>();

/**
 * Has node-pg-migrate make its table, as it makes it itself: by a run with nothing to do. What default privileges give
 * others of new tables is for rows of the application: this one nobody else writes.
 */
async function ensureTable(client: pg.Client): Promise<void> {
  if (prepared.has(client)) return;
  const { rows } = await client.query("select to_regclass('public.pgmigrations') is not null as present");
  if (!rows[0].present) {
    await runner({ ...options, dbClient: client, dir: ".", ignorePattern: ".*", noLock: true, logger: silent });
    for (const { statement } of (await client.query<{ statement: string }>(writesOfOthers)).rows)
      await client.query(statement);
  }
  prepared.add(client);
}

const writesOfOthers = `
  select format('revoke insert, update, delete, truncate on public.pgmigrations from %s',
                case grantee when 0 then 'public' else grantee::regrole::text end) as statement
  from pg_class, aclexplode(relacl)
  where oid = 'public.pgmigrations'::regclass and grantee <> relowner
    and privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
  group by grantee`;

/** The client, remembering what it sent last and how many statements of it were done, so that an error can show where. */
function recording(client: pg.Client, sent: Sent): { query: Query } {
  // Of a text with several statements PostgreSQL does not say which one failed; it reports each that is done.
  const wire = (client as unknown as { connection: EventEmitter }).connection;
  const onDone = ({ text }: { text: string }) => {
    sent.completed += 1;
    // The tag of a command that changes rows ends with their number: INSERT 0 5, UPDATE 5, COPY 5.
    const [, rows] = /^(?:INSERT 0|UPDATE|DELETE|MERGE|COPY) (\d+)/.exec(text) ?? [];
    if (rows && sent.completed > 0 && !ownRecord.test(sent.sql)) sent.rows += Number(rows);
  };
  return {
    async query(text, given = []) {
      // The record is ours to write, whoever the migration has become.
      const before = ownRecord.test(text) ? [...given, "reset session authorization", "reset role"] : given;
      const opening = before.map((statement) => `${statement};\n`).join("");
      Object.assign(sent, { sql: text, completed: -before.length });
      wire.on("commandComplete", onDone);
      try {
        return await client.query(opening + text);
      } catch (error) {
        // Where it points is to be a place in the text alone.
        const at = error as pg.DatabaseError;
        if (at.position) at.position = String(Number(at.position) - opening.length);
        throw error;
      } finally {
        wire.off("commandComplete", onDone);
      }
    },
  };
}

/**
 * Sends what node-pg-migrate puts around a migration's statements without a round trip for each: the beginning with the
 * first of them, and the record with the end and the session's reset.
 * @param records go first of all, and are kept whatever becomes of the migration
 */
function together({ query }: { query: Query }, lockTimeout: number, records: readonly string[]): { query: Query } {
  let before: string[] | undefined;
  let record = "";
  return {
    async query(text) {
      if (!before) {
        // The session is fresh already. BEGIN takes what precedes it in a text into its transaction.
        before = [...records, `set lock_timeout to ${Math.trunc(lockTimeout)}`, "begin"];
        return undefined;
      }
      if (ownRecord.test(text)) {
        record = text;
        return undefined;
      }
      const opening = before;
      before = [];
      return query(record ? `${record}\n${text}\n${freshSession(0)}` : text, opening);
    },
  };
}

// What node-pg-migrate writes for itself.
const ownRecord = /^\s*(?:insert into|delete from) "public"\."pgmigrations"/i;

/**
 * Gives a migration the session that it expects, whatever the one before did to it, and whatever timeouts the user's
 * role or the database has: they are for the application. `reset role` goes back to the role that the user's own settings give it,
 * the owner of what it makes, which `reset session authorization` forgets.
 */
export async function resetSession(client: pg.ClientBase, lockTimeout: number): Promise<void> {
  await client.query(freshSession(lockTimeout));
}

function freshSession(lockTimeout: number): string {
  return `
    reset session authorization;
    reset role;
    reset all;
    set search_path to public;
    set statement_timeout to 0;
    set idle_in_transaction_session_timeout to 0;
    set lock_timeout to ${Math.trunc(lockTimeout)}`;
}
