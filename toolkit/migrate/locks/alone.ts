import type pg from "pg";
import {
  buildPartitionedIndex,
  dropPartitionedIndex,
  isPartitioned,
  isPartitionedIndex,
  type Send,
} from "../partitionedIndex.ts";
import { builtIndex, droppedIndex } from "../render.ts";

/**
 * Runs a statement that has no transaction as the runner does it: a concurrent index of a partitioned table consists of
 * many statements.
 * @param send runs one of them
 */
export async function runAlone(
  client: pg.ClientBase,
  statement: string,
  send: (sql: string) => Promise<unknown>,
): Promise<void> {
  const sendOne = async (sql: string) => void (await send(sql));
  const sending: Send = { briefly: sendOne, concurrently: sendOne, say: () => {}, patience: 0 };
  const [built, dropped] = [builtIndex(statement), droppedIndex(statement)];
  if (built && (await isPartitioned(client, built))) await buildPartitionedIndex(client, built, sending);
  else if (dropped && (await isPartitionedIndex(client, dropped))) await dropPartitionedIndex(client, dropped, sending);
  else await sendOne(statement);
}
