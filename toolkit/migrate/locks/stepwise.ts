import { setTimeout as wait } from "node:timers/promises";
import type pg from "pg";
import type { Observer } from "./observe.ts";

// Milliseconds between two looks at a statement that is under way on empty tables.
const pause = 2;

/**
 * Runs a statement that consists of several transactions (create index concurrently and its like), and stops it at
 * every point at which it waits for others: at each, another session holds an old snapshot and a weak lock on every
 * table, and `look` is called. Such a statement waits for sessions that were there before; so a new one comes before
 * the one that is waited for goes, and the statement gets as far as its next wait.
 */
export async function runStepwise(observer: Observer, statement: string, look: () => Promise<void>): Promise<void> {
  const { client, watcher, open } = observer;
  const pid = (client as unknown as { processID: number }).processID;
  let holder = await open();
  try {
    await hold(holder);
    let finished = false;
    const running = client.query(statement).finally(() => {
      finished = true;
    });
    // Its failure is for the await below.
    running.catch(() => {});
    while (!finished) {
      if (!(await isWaiting(watcher, pid))) {
        await wait(pause);
        continue;
      }
      await look();
      const next = await open();
      await hold(next);
      await holder.end();
      holder = next;
    }
    await running;
  } finally {
    await holder.end();
  }
}

async function isWaiting(watcher: pg.Client, pid: number): Promise<boolean> {
  const { rows } = await watcher.query("select exists (select from pg_locks where pid = $1 and not granted) as waits", [
    pid,
  ]);
  return rows[0].waits;
}

/** Takes a snapshot, and access share on every table where it can be had at once. */
async function hold(session: pg.Client): Promise<void> {
  await session.query("begin isolation level repeatable read");
  const { rows } = await session.query(
    `select string_agg(c.oid::regclass::text, ', ') as list
     from pg_class c join pg_namespace n on n.oid = relnamespace
     where relkind in ('r', 'p') and nspname !~ '^pg_' and nspname <> 'information_schema'`,
  );
  const { list } = rows[0];
  if (list === null) return;
  // The statement may hold or want one exclusively by now: then only the snapshot is left to hold.
  await session.query(`savepoint before_locks; lock table ${list} in access share mode nowait`).catch(async () => {
    await session.query("rollback to savepoint before_locks");
  });
}
