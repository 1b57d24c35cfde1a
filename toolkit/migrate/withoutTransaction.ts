import type pg from "pg";
import { UserError } from "../errors.ts";
import type { Watch } from "./blockers.ts";
import { explained, isConnectionLost, nothingSent, type Sent } from "./failure.ts";
import type { MigrationFile } from "./files.ts";
import { indexState, quoted } from "./invalidIndexes.ts";
import {
  buildPartitionedIndex,
  dropPartitionedIndex,
  isPartitioned,
  isPartitionedIndex,
  type Send,
} from "./partitionedIndex.ts";
import { callRunner, markAsRun, resetSession } from "./pgMigrate.ts";
import { type BuiltIndex, builtIndex, type Direction, droppedIndex } from "./render.ts";
import { withLockRetries } from "./retry.ts";
import type { Run } from "./run.ts";
import { type Measured, nothingMeasured } from "./steps.ts";

/**
 * Runs the one statement of a migration that has no transaction. It may wait for older transactions, but not for ever;
 * a concurrent index of a partitioned table is carried out as many statements.
 * @throws UserError that says what failed, and what is left
 */
export async function withoutTransaction(
  run: Run,
  migration: MigrationFile,
  direction: Direction,
  what: { statement: string; index: BuiltIndex | undefined; watch: Watch; measured: Measured },
): Promise<void> {
  const { statement, index, watch, measured } = what;
  const sent = nothingSent();
  // A short lock timeout would kill CREATE INDEX CONCURRENTLY, which waits for old snapshots of the whole database.
  await resetSession(run.client, 0);
  try {
    const send = sender(run, migration.name, watch, measured, sent);
    const dropped = droppedIndex(statement);
    if (index && (await isPartitioned(run.client, index))) await buildPartitionedIndex(run.client, index, send);
    else if (dropped && (await isPartitionedIndex(run.client, dropped)))
      await dropPartitionedIndex(run.client, dropped, send);
    else {
      measured.attempts += 1;
      await callRunner(run, migration, direction, { sent });
      measured.rows += sent.rows;
      return;
    }
    await markAsRun(run, migration, direction);
  } catch (error) {
    if (watch.cancelled()) throw await waitedTooLong(run, migration.name, index, watch, error);
    const left = isConnectionLost(error) ? undefined : await whatIsLeft(run.client, statement);
    throw explained(error, migration, { direction, transactional: false, sent, left, goesBack: run.goesBack });
  }
}

/** Sends the statements of which the build of a partitioned index is made. */
function sender(run: Run, name: string, watch: Watch, measured: Measured, sent: Sent): Send {
  const { client, say, patience } = run;
  const query = async (sql: string) => {
    Object.assign(sent, { sql, completed: 0 });
    await client.query(sql);
  };
  return {
    say,
    patience,
    async concurrently(sql) {
      measured.attempts += 1;
      await query(sql);
    },
    async briefly(sql) {
      await resetSession(client, run.lockTimeout);
      await withLockRetries({ ...run, name, watch, measured }, () => query(sql));
      await resetSession(client, 0);
    },
  };
}

/** Clears what a statement left that was cancelled because it had waited too long, and says for whom it had. */
async function waitedTooLong(
  run: Run,
  name: string,
  index: BuiltIndex | undefined,
  watch: Watch,
  cause: unknown,
): Promise<UserError> {
  const cleared = index === undefined || (await clearBuild(run, index, watch));
  return new UserError(`${name} waited ${duration(run.waitLimit)} for older transactions and was stopped`, {
    why: `It waited for ${watch.last() ?? "sessions that have ended since"}. ${
      cleared
        ? "Nothing of it was left behind."
        : `Its index ${quoted(index)} is left; the next \`up\` finds out how far it is, and goes on.`
    }`,
    fix: "End that session (select pg_terminate_backend(PID)), or run `up` at a calmer time, or raise database:concurrentIndexTimeout (minutes).",
    cause,
  });
}

/**
 * Drops what a failed build of an index left behind, waiting for locks as little as any other statement.
 * @returns whether nothing is left
 */
export async function clearBuild(run: Run, index: BuiltIndex, watch: Watch): Promise<boolean> {
  const send = sender(run, index.name, watch, nothingMeasured(), nothingSent());
  try {
    if (await isPartitionedIndex(run.client, index)) await dropPartitionedIndex(run.client, index, send);
    else if ((await indexState(run.client, index)) === "invalid")
      await send.briefly(`drop index concurrently if exists ${quoted(index)}`);
    return (await indexState(run.client, index)) === "absent";
  } catch {
    return false;
  }
}

async function whatIsLeft(client: pg.ClientBase, statement: string): Promise<string> {
  const index = builtIndex(statement);
  const state = index && (await indexState(client, index).catch(() => undefined));
  if (!index || !state) return "It has no transaction and may have left something behind";
  if (state === "incomplete")
    return `It left the index ${quoted(index)} on some of the partitions, which the next \`up\` completes`;
  return state === "invalid"
    ? `It left the invalid index ${quoted(index)}, which the next \`up\` drops and builds again`
    : "It left nothing behind";
}

function duration(milliseconds: number): string {
  return milliseconds < 60_000 ? `${milliseconds / 1000} s` : `${Math.round(milliseconds / 60_000)} min`;
}
