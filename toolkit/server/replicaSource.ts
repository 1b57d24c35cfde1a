import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";
import { scramVerifier } from "./cluster.ts";

/*
 * What the primary holds for each of its replicas, under one name: a role that may do nothing but replicate, and a
 * slot, which keeps the write-ahead log for the replica, up to max_slot_wal_keep_size.
 */

const prefix = "stack_replica_";
// Milliseconds: how long the primary may take to notice that a replica has gone away.
const releaseTimeout = 10_000;
const pause = 20;

/** What a slot tells of its replica. */
export interface Slot {
  /** A replica streams from it. */
  active: boolean;
  /** The primary has removed log that the replica had not received. */
  lost: boolean;
}

/** The name of a replica's role and slot at its primary. */
export function sourceName(replica: string): string {
  return prefix + replica.replaceAll("-", "_");
}

/** The slots of replicas, by name. */
export async function readSlots(client: pg.ClientBase): Promise<Map<string, Slot>> {
  const { rows } = await client.query<Slot & { name: string }>(
    `select slot_name as name, active, wal_status = 'lost' as lost
       from pg_replication_slots where starts_with(slot_name, $1)`,
    [prefix],
  );
  return new Map(rows.map(({ name, active, lost }) => [name, { active, lost }]));
}

/** Makes a slot; the log is kept from now on, not from when the replica first asks. */
export async function makeSlot(client: pg.ClientBase, replica: string): Promise<void> {
  await client.query("select pg_create_physical_replication_slot($1, immediately_reserve => true)", [
    sourceName(replica),
  ]);
}

/** Lets a role in with a password, as a replica and as nothing else; the server sees the password's hash only. */
export async function makeRole(client: pg.ClientBase, replica: string, password: string): Promise<void> {
  const name = sourceName(replica);
  const { rowCount } = await client.query("select from pg_roles where rolname = $1", [name]);
  const verb = rowCount === 0 ? "create" : "alter";
  await client.query(
    `${verb} role ${pg.escapeIdentifier(name)} login replication password ${pg.escapeLiteral(scramVerifier(password))}`,
  );
}

/** Removes a slot; its replica has been stopped. */
export async function dropSlot(client: pg.ClientBase, name: string): Promise<void> {
  for (const started = Date.now(); Date.now() - started < releaseTimeout; await wait(pause)) {
    const { rowCount } = await client.query(
      "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active",
      [name],
    );
    if (rowCount === 1 || !(await readSlots(client)).has(name)) return;
  }
}

/** Removes the slots and roles of all replicas but these: such as those that a restored backup brought with it. */
export async function dropOthers(client: pg.ClientBase, replicas: readonly string[]): Promise<void> {
  const kept = replicas.map(sourceName);
  for (const name of (await readSlots(client)).keys()) if (!kept.includes(name)) await dropSlot(client, name);
  const { rows } = await client.query<{ name: string }>(
    "select rolname as name from pg_roles where starts_with(rolname, $1) and rolname <> all ($2)",
    [prefix, kept],
  );
  for (const { name } of rows) await client.query(`drop role ${pg.escapeIdentifier(name)}`);
}

/** Waits until a replica has replayed what its primary has written up to now, at most `timeout` milliseconds. */
export async function waitForReplay(client: pg.ClientBase, replica: string, timeout: number): Promise<void> {
  const { rows } = await client.query<{ position: string }>("select pg_current_wal_lsn()::text as position");
  for (const started = Date.now(); Date.now() - started < timeout; await wait(pause)) {
    const { rowCount } = await client.query(
      "select from pg_stat_replication where usename = $1 and replay_lsn >= $2::pg_lsn",
      [sourceName(replica), rows[0]!.position],
    );
    if (rowCount) return;
  }
}
