import { basename } from "node:path";
import type pg from "pg";
import { type Connection, withClient } from "../connection.ts";
import { inTransaction } from "../partitions/session.ts";
import { count, progress as progressBar, say } from "../terminal.ts";
import { type Batch, readAhead, readBatches } from "./batches.ts";
import {
  advance,
  countPresent,
  ensureJournal,
  findProgress,
  forgetProgress,
  type LoadKey,
  lockFile,
  markProgress,
  type Progress,
} from "./journal.ts";
import { storePrices } from "./merge.ts";
import { NewMonths } from "./newMonths.ts";
import { filledColumns } from "./prices.ts";
import { explainRefusal } from "./refusals.ts";
import { checkRejectsFolder, RejectFile, rejectsPath } from "./rejects.ts";
import { type LoadResult, resultOf, shownRejects } from "./result.ts";
import { contentHash, inspect, type ReadingOptions, refuseChanged, type Source } from "./source.ts";
import { createStage, ensureMonths, findTarget, type Target } from "./target.ts";

export interface LoadOptions extends ReadingOptions {
  /** Loads the file again although it was finished, or from its first line although it was begun. */
  force?: boolean;
  /** Folder for rejected lines; left out, they stay beside the file. */
  rejects?: string;
  /** Seconds to wait for another session that loads the same file. Default 60. */
  wait?: number;
  /** Prices in one transaction. Default 50,000: more cost memory, 20,000 took a third more time. */
  batchSize?: number;
}

const [defaultWait, defaultBatchSize] = [60, 50_000];

/**
 * Loads a CSV file of prices into stocks and price_history: idempotent, and resumable after any interruption.
 * @throws UserError with exit code 2 for a file that cannot be read or recognised, 1 for a database that cannot take it
 */
export async function load(connection: Connection, path: string, options: LoadOptions = {}): Promise<LoadResult> {
  const source = await inspect(path, options);
  if (options.rejects !== undefined) await checkRejectsFolder(options.rejects);
  const key = await loadKey(source, options);
  try {
    return await withClient(connection, { applicationName: "load" }, (client) => run(client, source, key, options));
  } catch (error) {
    throw explainRefusal(error, path);
  }
}

async function loadKey(source: Source, options: LoadOptions): Promise<LoadKey> {
  const { symbol, dateOrder, decimal } = source;
  const reading = JSON.stringify({ symbol, dateOrder, decimal, wide: options.wide || undefined });
  return { contentSha256: await contentHash(source), reading };
}

/** What every step of one load works with. */
interface Session {
  client: pg.Client;
  source: Source;
  key: LoadKey;
  target: Target;
  newMonths: NewMonths;
  rejects: RejectFile;
  /** The first lines rejected in this run, for the result. */
  firstRejects: LoadResult["firstRejects"];
}

async function run(client: pg.Client, source: Source, key: LoadKey, options: LoadOptions): Promise<LoadResult> {
  const target = await findTarget(client);
  await ensureJournal(client);
  await lockFile(client, key, source.path, options.wait ?? defaultWait);
  const newMonths = await NewMonths.open(client, target);
  const rejects = new RejectFile(rejectsPath(source.path, options.rejects), source.layout);
  const files = { file: source.path, rejectsFile: rejects.path };
  const known = options.force ? undefined : await findProgress(client, key);
  if (known && (await isFinished(client, known, source.path, rejects)))
    return resultOf(known, { ...files, alreadyLoaded: true });

  const begun = known?.present === null && (await rejects.resume(known.rejectBytes)) ? known : undefined;
  if (begun) say(`${source.path}: going on after line ${count(begun.line)}`);
  else {
    await rejects.setAside();
    await forgetProgress(client, key);
  }
  const session: Session = { client, source, key, target, newMonths, rejects, firstRejects: [] };
  try {
    const loaded = await loadBatches(session, begun ?? startOf(source), options.batchSize);
    await refuseChanged(source);
    const finished = { ...loaded, present: await countPresent(client, loaded) };
    await markProgress(client, key, source.path, finished);
    return resultOf(finished, { ...files, resumedAfterLine: begun?.line, firstRejects: session.firstRejects });
  } finally {
    await rejects.close();
  }
}

/** Whether a file was loaded to its end, and what it brought and what was kept aside are still there. */
async function isFinished(client: pg.Client, known: Progress, file: string, rejects: RejectFile): Promise<boolean> {
  if (known.present === null) return false;
  if ((await countPresent(client, known)) < known.present) {
    say(`${file} was loaded before, but prices of it are missing now: loading it again`);
    return false;
  }
  if (known.rejected > 0 && !(await rejects.exists())) {
    say(`${file} was loaded before, but ${rejects.path} is missing now: loading it again`);
    return false;
  }
  return true;
}

function startOf({ start }: Source): Progress {
  const counts = { lines: 0, inserted: 0, updated: 0, unchanged: 0, repeated: 0, rejected: 0, rejectBytes: 0 };
  return { ...start, ...counts, symbols: [], firstDate: null, lastDate: null, present: null };
}

async function loadBatches(session: Session, start: Progress, size = defaultBatchSize): Promise<Progress> {
  const { client, source, target, newMonths, firstRejects } = session;
  await createStage(client, filledColumns(source));
  const [months, began] = [new Set<string>(), Date.now()];
  const bar = progressBar({ title: basename(source.path), total: source.size });
  let done = start;
  try {
    for await (const batch of readAhead(readBatches(source, start, size))) {
      await newMonths.choose(batch);
      const here = [...batch.months.keys()].filter((month) => newMonths.tableOf(month) === undefined);
      if (target.partitioned) await ensureMonths(client, here, months);
      done = await storeBatch(session, batch, done);
      done = await publish(session, newMonths.notIn(batch), done);
      for (const { line, reason } of batch.rejects.slice(0, shownRejects - firstRejects.length))
        firstRejects.push({ line, reason });
      const seconds = Math.max(Date.now() - began, 1) / 1000;
      const rows = pricesIn(done) - pricesIn(start);
      bar.update(done.offset, `${count(rows)} rows  ${count(rows / seconds)} rows/s`);
    }
  } catch (error) {
    // What is loaded is loaded. Where that cannot be had now, the next load sees to it.
    await publish(session, newMonths.all(), done).catch(() => {});
    throw error;
  } finally {
    bar.stop();
  }
  return publish(session, newMonths.all(), done);
}

/** Lets everybody see new months. Prices that somebody else has stored meanwhile count as theirs. */
async function publish({ client, source, key, newMonths }: Session, months: string[], before: Progress) {
  let done = before;
  for (const month of months)
    await newMonths.publish(month, async ({ rows, updated }) => {
      const { inserted, unchanged } = done;
      done = {
        ...done,
        inserted: inserted - rows,
        updated: done.updated + updated,
        unchanged: unchanged + rows - updated,
      };
      await markProgress(client, key, source.path, done);
    });
  return done;
}

/** Stores a batch and its mark in one transaction; the rejected lines are on disk before it commits. */
async function storeBatch(session: Session, batch: Batch, before: Progress): Promise<Progress> {
  const { client, source, key, rejects } = session;
  return inTransaction(client, async () => {
    const merged = await storePrices({ ...session, columns: filledColumns(source) }, batch);
    const after = advance(before, batch, merged, await rejects.append(batch.rejects));
    await markProgress(client, key, source.path, after);
    return after;
  });
}

function pricesIn(progress: Progress): number {
  return progress.inserted + progress.updated + progress.unchanged + progress.repeated;
}
