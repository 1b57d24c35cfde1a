import { readFileSync } from "node:fs";
import type pg from "pg";
import { messageOf } from "../errors.ts";
import { who } from "./journal.ts";
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
     values ($1, $2, $3, $4, $5) returning ${recordColumns}`,
    [run.kind, run.appliedBefore, run.fingerprintBefore, who(), applicationVersion()],
  );
  return rows[0];
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
  return rows[0];
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
  { id }: RunRecord,
  result: "ok" | "failed" | "rolled back",
  message?: string,
): Promise<void> {
  await client.query(
    "update deploy.run set (finished_at, result, message) = (clock_timestamp(), $2, $3) where id = $1",
    [id, result, message ?? null],
  );
}

/**
 * SQL that lets the present transaction end before its log is on disk. A server that crashes loses the end of its log and
 * nothing before it: what a later migration commits is never kept without the records of the steps before it, and a step
 * whose end is lost is closed as interrupted. That spares a step two waits for the disk.
 * @see https://www.postgresql.org/docs/current/wal-async-commit.html
 */
const unhurried = "(select set_config('synchronous_commit', 'off', true)) as unhurried";

/**
 * Does a step and keeps a record of it: begun before, and how it ended after. Where the session is lost meanwhile, the
 * record stays open, and the run that goes on closes it as interrupted.
 */
export async function recordStep<T>(
  client: pg.ClientBase,
  { id }: RunRecord,
  { kind, migration }: { kind: StepKind; migration?: string },
  work: (measured: Measured) => Promise<T>,
): Promise<T> {
  const measured = nothingMeasured();
  const { rows } = await client.query(
    `insert into deploy.step (run_id, kind, migration, who, application_version)
     select $1::bigint, $2, $3, $4, $5 from ${unhurried} returning id`,
    [id, kind, migration ?? null, who(), applicationVersion()],
  );
  const finish = (result: "ok" | "failed", message?: string) =>
    client.query(
      `update deploy.step
       set (finished_at, lock_wait_ms, attempts, rows_affected, result, message)
           = (clock_timestamp(), $2, $3, $4, $5, $6)
       from ${unhurried} where id = $1`,
      [
        rows[0].id,
        Math.round(measured.lockWait),
        measured.attempts || null,
        measured.attempts ? measured.rows : null,
        result,
        message ?? measured.message ?? null,
      ],
    );
  let done: T;
  try {
    done = await work(measured);
  } catch (error) {
    await finish("failed", messageOf(error)).catch(() => {});
    throw error;
  }
  await finish("ok");
  return done;
}

let version: string | undefined;

/** The version of this application, out of package.json. */
export function applicationVersion(): string {
  version ??= String(JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version);
  return version;
}
