import type pg from "pg";
import { runAlone } from "./alone.ts";
import { modeOf, stronger } from "./modes.ts";
import { describeChange, type Held, names, type Observation } from "./observation.ts";
import { type Relation, readRelations } from "./relations.ts";
import { runStepwise } from "./stepwise.ts";

/** The sessions that watch one statement after the other. */
export interface Observer {
  /** Runs the migrations. */
  client: pg.Client;
  /** Reads what locks the first one holds. */
  watcher: pg.Client;
  /** Opens another session, for what has to be held while a statement waits. */
  open(): Promise<pg.Client>;
  /** The relations as they were before the run: what is new cannot block anybody. */
  before: Map<number, Relation>;
}

/**
 * Runs the statements of one migration and tells what each of them did.
 * @param done gets each observation; those before a failure stay
 * @throws pg.DatabaseError of the statement that fails; its transaction is undone
 */
export async function observeMigration(
  observer: Observer,
  migration: { statements: readonly { text: string }[]; transactional: boolean },
  done: (observation: Observation) => void,
): Promise<void> {
  const { client } = observer;
  // PostgreSQL tells at this level that it rewrites or reads a whole table, or builds an index.
  await client.query(
    "reset session authorization; reset all; set search_path to public; set client_min_messages to debug1; set statement_timeout to '60s'",
  );
  if (migration.transactional) await client.query("begin");
  let earlier: Held = new Map();
  try {
    for (const { text } of migration.statements) {
      const from = await readRelations(client);
      const seen = migration.transactional
        ? { messages: await messagesOf(client, () => client.query(text)), held: await heldLocks(observer) }
        : await observeAlone(observer, text);
      const to = await readRelations(client);
      const validated = await validatedTables(client, seen.messages);
      const observation = describeChange(observer.before, { text, from, to, earlier, ...seen });
      done({ ...observation, scanned: names([...observation.scanned, ...validated]) });
      earlier = migration.transactional ? seen.held : new Map();
    }
    if (migration.transactional) await client.query("commit");
  } catch (error) {
    if (migration.transactional) await client.query("rollback");
    throw error;
  }
}

/** Runs a statement that has no transaction of ours around it, and gives its locks at every point at which it waited. */
async function observeAlone(observer: Observer, text: string): Promise<{ held: Held; messages: string[] }> {
  const held: Held = new Map();
  const look = async () => {
    for (const [oid, mode] of await heldLocks(observer, true)) held.set(oid, stronger(mode, held.get(oid) ?? mode));
  };
  const messages = await messagesOf(observer.client, () =>
    runAlone(observer.client, text, async (sql) => {
      if (sql === text || /\bconcurrently\b/i.test(sql)) await runStepwise(observer, sql, look);
      else await inTransaction(observer.client, sql, look);
    }),
  );
  return { held, messages };
}

async function inTransaction(client: pg.Client, sql: string, look: () => Promise<void>): Promise<void> {
  await client.query("begin");
  await client.query(sql);
  await look();
  await client.query("commit");
}

/** The tables whose rows were checked against a foreign key: PostgreSQL's message has only the constraint's name. */
async function validatedTables(client: pg.Client, messages: readonly string[]): Promise<string[]> {
  const constraints = messages.flatMap((text) => /^validating foreign key constraint "(.*)"$/.exec(text)?.[1] ?? []);
  if (constraints.length === 0) return [];
  const { rows } = await client.query(
    `select distinct coalesce(pg_partition_root(conrelid), conrelid)::regclass::text as table from pg_constraint
     where contype = 'f' and conrelid <> 0 and conname = any ($1)`,
    [constraints],
  );
  return rows.map(({ table }) => table);
}

async function messagesOf(client: pg.Client, work: () => Promise<unknown>): Promise<string[]> {
  const messages: string[] = [];
  const listen = ({ message = "" }: { message?: string }) => void messages.push(message);
  client.on("notice", listen);
  try {
    await work();
  } finally {
    client.off("notice", listen);
  }
  return messages;
}

/**
 * The strongest lock on each relation of the session that runs the migrations.
 * @param wanted count also what it waits for: once it has that, nobody is left to tell
 */
async function heldLocks({ client, watcher }: Observer, wanted = false): Promise<Held> {
  const pid = (client as unknown as { processID: number }).processID;
  const { rows } = await watcher.query<{ relation: number; mode: string }>(
    `select relation::int8::int, mode from pg_locks
     where pid = $1 and locktype = 'relation' and (granted or $2)
       and database = (select oid from pg_database where datname = current_database())`,
    [pid, wanted],
  );
  const held: Held = new Map();
  for (const { relation, mode: name } of rows) {
    const mode = modeOf(name);
    if (mode) held.set(relation, stronger(mode, held.get(relation) ?? mode));
  }
  return held;
}
