import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type pg from "pg";
import { UserError } from "../errors.ts";
import { digestOf, requireSpace, type TreeDigest } from "../server/copy.ts";
import { syncFolder } from "../server/files.ts";
import { addFile, copyDataFiles, copyWal, listDataFiles } from "./dataFiles.ts";
import { watch } from "./watch.ts";

/**
 * Copies the data folder of a running server with the low-level backup API, and the log that makes the copy consistent.
 * All of it hangs on one session: when that ends, also by a `kill -9`, the server leaves backup mode and drops the slot.
 * @param target the copy; must not exist
 * @see https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
 */
export async function copyRunningServer(
  client: pg.ClientBase,
  how: { data: string; target: string; label: string; say: (line: string) => void },
): Promise<TreeDigest> {
  const { data, target } = how;
  const slot = await keepWal(client);
  await client.query("select pg_backup_start($1, fast => true)", [how.label]);
  const list = await listDataFiles(data);
  await requireSpace(join(target, ".."), list.bytes);
  const bar = watch({ title: "copying the data folder", total: list.bytes, say: how.say });
  const copied = await copyDataFiles(data, target, list, (done) => bar.update(done)).finally(() => bar.stop());
  const stop = await stopBackup(client);
  copied.set("backup_label", await addFile(target, "backup_label", stop.label));
  // The map names tablespaces, and there are none: the server takes an absent one for an empty one.
  if (stop.map) copied.set("tablespace_map", await addFile(target, "tablespace_map", stop.map));
  await requireKept(client, slot);
  const wal = await copyWal(data, target, await segmentsOf(client, stop));
  for (const [path, file] of wal) copied.set(path, file);
  for (const folder of ["", ...list.folders]) await syncFolder(join(target, folder));
  return digestOf(list.folders, copied);
}

/** Keeps the log from being recycled, from now on to the end of the session. */
async function keepWal(client: pg.ClientBase): Promise<string> {
  const slot = `backup_${randomBytes(6).toString("hex")}`;
  await client.query("select pg_create_physical_replication_slot($1, immediately_reserve => true, temporary => true)", [
    slot,
  ]);
  return slot;
}

interface Stop {
  label: string;
  map: string;
  lsn: string;
}

/** Ends backup mode. The server switches to another segment by itself, so that the last one needed is complete. */
async function stopBackup(client: pg.ClientBase): Promise<Stop> {
  const { rows } = await client.query<Stop>(
    "select lsn::text, labelfile as label, spcmapfile as map from pg_backup_stop(wait_for_archive => false)",
  );
  return rows[0]!;
}

/** @throws UserError where max_slot_wal_keep_size made the server give up the log all the same */
async function requireKept(client: pg.ClientBase, slot: string): Promise<void> {
  const { rows } = await client.query<{ status: string }>(
    "select wal_status as status from pg_replication_slots where slot_name = $1",
    [slot],
  );
  if (rows[0] && rows[0].status !== "lost") return;
  throw new UserError("the write-ahead log of the backup was removed before it was copied", {
    why: "More of it was written meanwhile than max_slot_wal_keep_size lets a backup keep.",
    fix: "Raise max_slot_wal_keep_size, or make the backup when less is written.",
  });
}

/** The names of the segments from a backup's start to its end. */
async function segmentsOf(client: pg.ClientBase, { label, lsn }: Stop): Promise<string[]> {
  const start = /^START WAL LOCATION: ([0-9A-F]+\/[0-9A-F]+) /m.exec(label)![1];
  const { rows } = await client.query<{ name: string }>(
    // pg_walfile_name gives a position on a boundary to the segment before it, hence the one byte.
    `with segment as (select setting::numeric as size from pg_settings where name = 'wal_segment_size')
     select pg_walfile_name('0/0'::pg_lsn + number * size + 1) as name
       from segment, generate_series(trunc(($1::pg_lsn - '0/0') / size),
                                     trunc(($2::pg_lsn - '0/0' - 1) / size)) as number
      order by number`,
    [start, lsn],
  );
  return rows.map(({ name }) => name);
}
