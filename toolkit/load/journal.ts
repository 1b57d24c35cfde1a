import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { allPrices } from "../analysis/prices.ts";
import { UserError } from "../errors.ts";
import { say } from "../terminal.ts";
import type { Batch } from "./batches.ts";
import type { Merged } from "./merge.ts";

/** How far a file has been loaded: a row of deploy.load, written in the transaction of each batch. */
export interface Progress {
  offset: number;
  line: number;
  lines: number;
  inserted: number;
  updated: number;
  unchanged: number;
  repeated: number;
  rejected: number;
  /** Size of the reject file, in bytes, that belongs to the committed batches. */
  rejectBytes: number;
  symbols: string[];
  firstDate: string | null;
  lastDate: string | null;
  /** Rows of these symbols and dates in price_history when the load was finished; null before. */
  present: number | null;
}

/** A file as the journal knows it: by its content and by how it is read, not by its name. */
export interface LoadKey {
  contentSha256: string;
  reading: string;
}

// Sessions that wait in pg_advisory_lock block CREATE INDEX CONCURRENTLY for ever: poll instead.
const pollInterval = 200;

/** Creates the journal where it is missing. Looked up first: CREATE … IF NOT EXISTS asks for rights it may not need. */
export async function ensureJournal(client: pg.Client): Promise<void> {
  const { rows } = await client.query("select to_regclass('deploy.load') is not null as present");
  if (rows[0].present) return;
  // IF NOT EXISTS alone fails in one of two sessions that create the same thing at once. One query string is one
  // transaction, and the lock goes with it.
  await client.query(`
    select pg_advisory_xact_lock(hashtextextended('create deploy.load', 0));
    create schema if not exists deploy;
    create table if not exists deploy.load (
      content_sha256 text not null,
      reading text not null,
      file text not null,
      byte_offset bigint not null,
      line bigint not null,
      counts jsonb not null,
      reject_bytes bigint not null,
      symbols text[] not null,
      first_date date,
      last_date date,
      present bigint,
      started_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      finished_at timestamptz,
      primary key (content_sha256, reading)
    )`);
}

/**
 * Takes the lock that lets one session at a time load a file; it goes with the session.
 * @param patience seconds to wait for another session that has it
 * @throws UserError when the other session still loads after that
 */
export async function lockFile(client: pg.Client, key: LoadKey, file: string, patience: number): Promise<void> {
  const name = `load ${key.contentSha256} ${key.reading}`;
  const deadline = Date.now() + patience * 1000;
  for (let told = false; ; told = true) {
    const { rows } = await client.query("select pg_try_advisory_lock(hashtextextended($1, 0)) as taken", [name]);
    if (rows[0].taken) return;
    if (Date.now() >= deadline)
      throw new UserError(`${file} is being loaded by another session`, {
        fix: "Wait until it is done, or wait longer with --wait SECONDS.",
      });
    if (!told) say(`${file} is being loaded by another session: waiting up to ${patience} s`);
    await sleep(Math.min(pollInterval, Math.max(deadline - Date.now(), 1)));
  }
}

/** What the journal knows of a file, if it has been loaded before, wholly or in part. */
export async function findProgress(client: pg.Client, key: LoadKey): Promise<Progress | undefined> {
  const { rows } = await client.query(
    `select byte_offset::float8 as "offset", line::float8 as line, counts, reject_bytes::float8 as "rejectBytes",
            symbols, first_date::text as "firstDate", last_date::text as "lastDate", present::float8 as present
     from deploy.load where content_sha256 = $1 and reading = $2`,
    [key.contentSha256, key.reading],
  );
  if (!rows[0]) return undefined;
  const { counts, ...rest } = rows[0];
  return { ...rest, ...counts };
}

/** Writes how far a file has been loaded. */
export async function markProgress(client: pg.Client, key: LoadKey, file: string, progress: Progress): Promise<void> {
  const { offset, line, rejectBytes, symbols, firstDate, lastDate, present, ...counts } = progress;
  await client.query(
    `insert into deploy.load (content_sha256, reading, file, byte_offset, line, counts, reject_bytes, symbols,
                              first_date, last_date, present, finished_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, case when $11::bigint is not null then now() end)
     on conflict (content_sha256, reading) do update
     set (file, byte_offset, line, counts, reject_bytes, symbols, first_date, last_date, present, finished_at)
         = (excluded.file, excluded.byte_offset, excluded.line, excluded.counts, excluded.reject_bytes,
            excluded.symbols, excluded.first_date, excluded.last_date, excluded.present, excluded.finished_at),
         updated_at = now()`,
    [
      ...[key.contentSha256, key.reading, file, offset, line, JSON.stringify(counts), rejectBytes],
      ...[symbols, firstDate, lastDate, present],
    ],
  );
}

/** Forgets a file, so that it is loaded from its first line. */
export async function forgetProgress(client: pg.Client, key: LoadKey): Promise<void> {
  await client.query("delete from deploy.load where content_sha256 = $1 and reading = $2", [
    key.contentSha256,
    key.reading,
  ]);
}

/** How many prices there are, plain or packed, of a load's symbols between its first and last date. */
export async function countPresent(client: pg.Client, progress: Progress): Promise<number> {
  const { rows } = await client.query(
    `select count(*)::float8 as present
     from ${await allPrices(client)} p join stocks s on s.id = p.stock_id
     where s.symbol = any ($1) and p.date between $2 and $3`,
    [progress.symbols, progress.firstDate, progress.lastDate],
  );
  return rows[0].present;
}

/** The progress after one more batch. */
export function advance(progress: Progress, batch: Batch, merged: Merged, rejectBytes: number): Progress {
  return {
    offset: batch.end.offset,
    line: batch.end.line,
    lines: progress.lines + batch.lines,
    inserted: progress.inserted + merged.inserted,
    updated: progress.updated + merged.updated,
    unchanged: progress.unchanged + merged.unchanged,
    repeated: progress.repeated + batch.repeated,
    rejected: progress.rejected + batch.rejects.length,
    rejectBytes,
    symbols: [...new Set([...progress.symbols, ...batch.prices.keys()])].sort(),
    firstDate: earlier(progress.firstDate, batch.firstDate),
    lastDate: later(progress.lastDate, batch.lastDate),
    present: null,
  };
}

function earlier(a: string | null, b: string | null): string | null {
  return a && b ? (a < b ? a : b) : (a ?? b);
}

function later(a: string | null, b: string | null): string | null {
  return a && b ? (a > b ? a : b) : (a ?? b);
}
