import { readFileSync } from "node:fs";
import pg from "pg";
import { messageOf } from "../errors.ts";
import { unhurried, who } from "./journal.ts";
import type { Baseline } from "./validate.ts";

/** What a step does. */
export type StepKind = "preflight" | "backup" | "statement" | "validate" | "rollback";

/** A run that changes a database: an `up` with something to do, or a `rollback`. */
export interface RunRecord {
  id: string;
  kind: "up" | "rollback";
  /** The migrations that were applied before it, in order. */
  appliedBefore: string[];
  /** The fingerprint before it. */
  fingerprintBefore: string;
  /** What the database was like before it; null until that is known. */
  baseline: Baseline | null;
  /** The last backup made for it; null where there is none. */
  backup: string | null;
  /** SQL about its steps that is still to be sent, in order. */
  waiting: string[];
}

/** What a step measures while it works. */
export interface Measured {
  /** Milliseconds spent waiting for locks. Waits shorter than the watch's first look are not seen. */
  lockWait: number;
  /** How often a migration was begun. */
  attempts: number;
  /** Rows inserted, updated, deleted or copied. */
  rows: number;
  /** What is worth telling of it. */
  message?: string;
}

/** Nothing measured yet. */
export function nothingMeasured(): Measured {
  return { lockWait: 0, attempts: 0, rows: 0 };
}

/** Creates the journal of steps where it is missing; the journal of migrations is there. */
export async function ensureSteps(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query("select to_regclass('deploy.step') is not null as present");
  if (rows[0].present) return;
  // One text, hence one transaction: all tables or none.
  await client.query(`
    ${unhurried};
    create table deploy.run (
      id bigint generated always as identity primary key,
      kind text not null check (kind in ('up', 'rollback')),
      started_at timestamptz not null default clock_timestamp(),
      finished_at timestamptz,
      result text check (result in ('ok', 'failed', 'rolled back', 'interrupted')),
      message text,
      backup text,
      applied_before text[] not null,
      fingerprint_before text not null,
      baseline jsonb,
      who text not null,
      application_version text not null
    );
    create table deploy.known_result (
      migrations text primary key,
      fingerprint text not null,
      lines text[] not null,
      recorded_at timestamptz not null default now()
    );
    comment on column deploy.known_result.migrations is
      'SHA-256 of the fingerprint before, the major version, and the names and checksums of the migrations';
    create table deploy.step (
      id bigint generated always as identity primary key,
      run_id bigint not null references deploy.run on delete cascade,
      migration text,
      kind text not null check (kind in ('preflight', 'backup', 'statement', 'validate', 'rollback')),
      started_at timestamptz not null default clock_timestamp(),
      finished_at timestamptz,
      lock_wait_ms bigint,
      attempts int,
      rows_affected bigint,
      result text check (result in ('ok', 'failed', 'interrupted')),
      message text,
      who text not null,
      application_version text not null
    );
    create index on deploy.step (run_id)`);
}

const recordColumns = `id::text, kind, applied_before as "appliedBefore", fingerprint_before as "fingerprintBefore",
  baseline, backup`;

/** Tells the journal that a run begins, and that those which were killed are not gone on with. */
export async function startRun(
  client: pg.ClientBase,
  run: Pick<RunRecord, "kind" | "appliedBefore" | "fingerprintBefore">,
): Promise<RunRecord> {
  await closeInterruptedSteps(client);
  await client.query("update deploy.run set result = 'interrupted' where result is null");
  const { rows } = await client.query(
    `insert into deploy.run (kind, applied_before, fingerprint_before, who, application_version)
     select $1, $2, $3, $4, $5 from (${unhurried}) as unhurried returning ${recordColumns}`,
    [run.kind, run.appliedBefore, run.fingerprintBefore, who(), applicationVersion()],
  );
  return { ...rows[0], waiting: [] };
}

/**
 * The last run, where it was killed before it ended and nobody has gone back behind its beginning since: the next one
 * goes on with it.
 * @param applied what is applied now, in order
 */
export async function interruptedRun(
  client: pg.ClientBase,
  applied: readonly string[],
): Promise<RunRecord | undefined> {
  const found = await client.query("select to_regclass('deploy.step') is not null as present");
  if (!found.rows[0].present) return undefined;
  const { rows } = await client.query(
    `select ${recordColumns} from deploy.run
     where id = (select max(id) from deploy.run) and result is null and kind = 'up'
       and applied_before = ($1::text[])[:cardinality(applied_before)]`,
    [applied],
  );
  return rows[0] && { ...rows[0], waiting: [] };
}

/** Closes the steps that killed runs left open. Under the lock, so that nobody is at them still. */
export async function closeInterruptedSteps(client: pg.ClientBase): Promise<void> {
  await client.query("update deploy.step set result = 'interrupted' where result is null");
}

/** Keeps what the database was like before a run, also for the one that goes on after it was killed. */
export async function keepBaseline(client: pg.ClientBase, { id }: RunRecord, baseline: Baseline): Promise<void> {
  await client.query("update deploy.run set baseline = $2 where id = $1", [id, JSON.stringify(baseline)]);
}

/** Tells the journal which backup belongs to a run. */
export async function keepBackup(client: pg.ClientBase, { id }: RunRecord, backup: string): Promise<void> {
  await client.query("update deploy.run set backup = $2 where id = $1", [id, backup]);
}

/** Tells the journal how a run ended. */
export async function finishRun(
  client: pg.ClientBase,
  record: RunRecord,
  result: "ok" | "failed" | "rolled back",
  message?: string,
): Promise<void> {
  await sendRecords(client, record);
  await client.query(
    "update deploy.run set (finished_at, result, message) = (clock_timestamp(), $2, $3) where id = $1",
    [record.id, result, message ?? null],
  );
}

/** What is to be sent of a run's records, as one transaction that begins and ends by itself; none where nothing is. */
export function takeRecords(record: RunRecord): string[] {
  const waiting = record.waiting.splice(0);
  return waiting.length > 0 ? ["begin", unhurried, ...waiting, "commit"] : [];
}

/** Puts back what {@link takeRecords} gave and what did not reach the server. */
export function putRecordsBack(record: RunRecord, taken: readonly string[]): void {
  record.waiting.unshift(...taken.slice(2, -1));
}

async function sendRecords(client: pg.ClientBase, record: RunRecord): Promise<void> {
  if (record.waiting.length > 0) await client.query([unhurried, ...record.waiting.splice(0)].join(";\n"));
}

/** A step to be kept a record of. */
export interface Step {
  kind: StepKind;
  migration?: string;
  /** Its work sends what {@link takeRecords} gives before it does anything: its beginning goes along, and costs no round trip. */
  along?: boolean;
}

/**
 * Does a step and keeps a record of it: begun before, and how it ended after. Where the session is lost meanwhile, the
 * record stays open, and the run that goes on closes it as interrupted. The end of one that went well is written with the
 * beginning of the next, or with the end of the run.
 */
export async function recordStep<T>(
  client: pg.ClientBase,
  record: RunRecord,
  { kind, migration, along = false }: Step,
  work: (measured: Measured) => Promise<T>,
): Promise<T> {
  const measured = nothingMeasured();
  record.waiting.push(beginning(record, kind, migration));
  if (!along) await sendRecords(client, record);
  let done: T;
  try {
    done = await work(measured);
  } catch (error) {
    record.waiting.push(ending(record, measured, "failed", messageOf(error)));
    await sendRecords(client, record).catch(() => {});
    throw error;
  }
  record.waiting.push(ending(record, measured, "ok"));
  return done;
}

function beginning({ id }: RunRecord, kind: StepKind, migration: string | undefined): string {
  const values = [id, kind, migration, who(), applicationVersion()].map(literal);
  return `insert into deploy.step (run_id, kind, migration, who, application_version) values (${values.join(", ")})`;
}

/** One step of a run is open at a time. */
function ending({ id }: RunRecord, measured: Measured, result: "ok" | "failed", message?: string): string {
  const { lockWait, attempts, rows } = measured;
  const counts = [Math.round(lockWait), attempts || null, attempts ? rows : null];
  const values = [...counts, result, message ?? measured.message].map(literal);
  return `
    update deploy.step
    set (finished_at, lock_wait_ms, attempts, rows_affected, result, message) = (clock_timestamp(), ${values.join(", ")})
    where run_id = ${literal(id)} and result is null`;
}

/** Only a text of its own takes parameters, and these go along with others. */
function literal(value: string | number | null | undefined): string {
  return value === null || value === undefined ? "null" : pg.escapeLiteral(String(value));
}

let version: string | undefined;

/** The version of this application, out of package.json. */
export function applicationVersion(): string {
  version ??= String(JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version);
  return version;
}
