import { messageOf } from "../errors.ts";
import { type RunRecord, writeRecord } from "./record.ts";
import type { RunSession } from "./session.ts";

/** Keeps the record of a run. */
export interface RunJournal {
  /** Writes what has changed. It never fails: a runbook is for when things do not work. */
  save(record: RunRecord): Promise<void>;
}

/**
 * The record on disk.
 * @param folder made where it is missing
 * @param say told once, when the record cannot be written
 */
export function fileJournal(folder: string, say: (line: string) => void): RunJournal & { path: string | undefined } {
  let told = false;
  return {
    path: undefined,
    async save(record) {
      try {
        this.path = await writeRecord(folder, record);
      } catch (error) {
        if (!told) say(`the record cannot be written to ${folder}: ${messageOf(error)}`);
        told = true;
      }
    },
  };
}

// The tables may be what somebody has locked, or the disk what is full.
const patience = "2s";

/**
 * The journal in schema `deploy`.
 * @param say told once, when the database cannot keep the record
 */
export function databaseJournal(session: RunSession, say: (line: string) => void): RunJournal {
  let [ready, off] = [false, false];
  return {
    async save(record) {
      if (off) return;
      try {
        const client = await session.client();
        await client.query("begin");
        try {
          await client.query("select set_config('lock_timeout', $1, true), set_config('statement_timeout', $1, true)", [
            patience,
          ]);
          if (!ready) await ensureTables(client);
          await saveRun(client, record);
          await client.query("commit");
          ready = true;
        } catch (error) {
          await client.query("rollback").catch(() => {});
          throw error;
        }
      } catch (error) {
        off = true;
        say(`not recorded in the database, only in the file: ${messageOf(error).split("\n")[0]}`);
      }
    },
  };
}

type Client = Awaited<ReturnType<RunSession["client"]>>;

// Looked up first: CREATE … IF NOT EXISTS asks for rights that it may not need.
async function ensureTables(client: Client): Promise<void> {
  const { rows } = await client.query(
    "select to_regclass('deploy.runbook_step') is not null as present, to_regnamespace('deploy') is not null as schema",
  );
  if (rows[0].present) return;
  // IF NOT EXISTS alone fails in one of two sessions that create the same thing at once.
  await client.query("select pg_advisory_xact_lock(hashtextextended('create deploy.runbook_run', 0))");
  await client.query(`
    ${rows[0].schema ? "" : "create schema if not exists deploy;"}
    create table if not exists deploy.runbook_run (
      id uuid primary key,
      runbook text not null,
      parameters jsonb not null,
      started_by text not null,
      started_at timestamptz not null,
      finished_at timestamptz,
      result text not null
    );
    create table if not exists deploy.runbook_step (
      run uuid not null references deploy.runbook_run on delete cascade,
      number int not null,
      title text not null,
      changes boolean not null,
      result text not null,
      started_at timestamptz not null,
      finished_at timestamptz,
      detail jsonb not null,
      primary key (run, number)
    )`);
}

async function saveRun(client: Client, record: RunRecord): Promise<void> {
  const { id, runbook, parameters, by, startedAt, finishedAt, result } = record;
  await client.query(
    `insert into deploy.runbook_run (id, runbook, parameters, started_by, started_at, finished_at, result)
     values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (id) do update set (finished_at, result) = (excluded.finished_at, excluded.result)`,
    [id, runbook, parameters, by, startedAt, finishedAt, result],
  );
  // All of them: the restore of a backup, or a new session, may have lost those before.
  for (const step of record.steps) {
    const { number, title, changes, result, startedAt, finishedAt, ...detail } = step;
    await client.query(
      `insert into deploy.runbook_step (run, number, title, changes, result, started_at, finished_at, detail)
       values ($1, $2, $3, $4, $5, $6, $7, $8)
       on conflict (run, number) do update
       set (result, finished_at, detail) = (excluded.result, excluded.finished_at, excluded.detail)`,
      [id, number, title, changes, result, startedAt, finishedAt, detail],
    );
  }
}
