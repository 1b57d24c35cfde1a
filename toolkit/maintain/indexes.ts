import { diskOf } from "../migrate/preflightDisk.ts";
import { bloat, indexBloat } from "../monitor/bloat.ts";
import type { Index } from "../monitor/indexes.ts";
import { indexFamilies } from "../monitor/indexFamilies.ts";
import { limitsOf } from "../monitor/question.ts";
import { bytes, percent, share } from "../monitor/texts.ts";
import { overridesOf } from "../monitor/thresholds.ts";
import type { Queryable } from "../queryable.ts";
import type { Session } from "./session.ts";
import type { Look, Outcome, Step } from "./step.ts";
import { runYielding } from "./yielding.ts";

// An index is built beside the old one, from a sorted copy of its entries that may lie on the disk as well.
const copies = 2;
// The share of the disk that stays free; below it PostgreSQL's file systems begin to fragment.
const spareDisk = 0.1;
// How PostgreSQL calls the two that a rebuild makes and removes: new and old, with a number where the name is taken.
const leftoverName = /_cc(new|old)\d*"?$/;

/** The invalid indexes that interrupted rebuilds left. */
export async function leftoverIndexes({ database }: Look): Promise<Step[]> {
  const { pageBytes } = database.server;
  return (await database.indexes())
    .filter(({ name, valid, building }) => !valid && !building && leftoverName.test(name))
    .map((index) => ({
      object: index.name,
      why: `an interrupted rebuild left it invalid, ${bytes(index.pages * pageBytes)}`,
      does: dropOf(index.name),
      costBytes: 0,
      run: (session) => runYielding(session, `drop ${index.name}`, dropOf(index.name)),
    }));
}

const dropOf = (name: string) => `drop index concurrently if exists ${name}`;

/**
 * The indexes that are mostly empty, the most bytes first. Of an index of a partitioned table that is bloated as a whole,
 * those of its partitions that are. One that was rebuilt and has not grown since is left alone: there the estimate is
 * wrong, not the index.
 */
export async function bloatedIndexes({ database, session, limits }: Look): Promise<Step[]> {
  const bounds = limitsOf(bloat.thresholds, overridesOf(bloat, limits));
  const { pageBytes } = database.server;
  const tables = new Map((await database.tables()).map((table) => [table.oid, table]));
  const widths = await database.widths();
  const fresh = await pagesAfterRebuild(session.worker);
  const found: { index: Index; wasted: number }[] = [];
  for (const { parts } of await indexFamilies(database)) {
    const members = parts.flatMap((index) => {
      const [table, width] = [tables.get(index.table), widths.get(index.table)];
      const wasted =
        table && width && width.unknown === 0 && index.valid ? indexBloat(index, table, width, pageBytes) : undefined;
      return wasted === undefined ? [] : [{ index, wasted }];
    });
    const wasted = members.reduce((sum, member) => sum + member.wasted, 0);
    const pages = members.reduce((sum, { index }) => sum + index.pages, 0);
    if (wasted * pageBytes < bounds.bloatBytes || share(wasted, pages) < bounds.bloatPercent) continue;
    found.push(...members.filter(({ index, wasted }) => share(wasted, index.pages) >= bounds.bloatPercent));
  }
  return found
    .filter(({ index }) => share(index.pages - (fresh.get(index.oid) ?? 0), index.pages) >= bounds.bloatPercent)
    .toSorted((one, other) => other.wasted - one.wasted)
    .map(({ index, wasted }) => ({
      object: index.name,
      why: `about ${bytes(wasted * pageBytes)} of ${bytes(index.pages * pageBytes)} hold nothing, ${percent(share(wasted, index.pages))}`,
      does: `reindex index concurrently ${index.name}`,
      costBytes: (tables.get(index.table)?.pages ?? 0) * pageBytes,
      run: (session) => rebuild(session, index, (index.pages - wasted) * pageBytes * copies),
    }));
}

async function rebuild(session: Session, index: Index, needed: number): Promise<Outcome> {
  const { worker, connection } = session;
  const disk = await diskOf(worker, connection);
  if (disk && disk.free - needed < spareDisk * disk.size)
    return {
      result: "skipped",
      note: `the disk has ${bytes(disk.free)} free, and it takes up to ${bytes(needed)} more`,
    };
  // A lock timeout counts the wait for older transactions as well; the watch cancels where anybody waits for us.
  await worker.query("set lock_timeout = 0");
  try {
    const done = await runYielding(session, `reindex ${index.name}`, `reindex index concurrently ${index.name}`);
    if (done.result === "done") await remember(session, index.name);
    else await dropLeftovers(session, index);
    return done;
  } finally {
    await worker.query("set lock_timeout = '1s'");
  }
}

/** What a cancelled rebuild left is dropped at once: every write would keep it up to date. */
async function dropLeftovers({ worker, say }: Session, { table }: Index): Promise<void> {
  const { rows } = await worker.query(
    `select format('%I.%I', nspname, relname) as name
     from pg_index x join pg_class c on c.oid = indexrelid join pg_namespace n on n.oid = relnamespace
     where indrelid = $1 and not indisvalid and relname ~ '_cc(new|old)\\d*$'`,
    [table],
  );
  await worker.query("set lock_timeout = '1s'");
  // Somebody is in the way, as before: the next run drops it.
  for (const { name } of rows)
    await worker.query(dropOf(name)).catch((error: { code?: string }) => {
      if (error.code !== "55P03") throw error;
      say(`${name} stays for now`);
    });
}

/** Sizes after our rebuilds, in pages, by oid; a later rebuild gives the index another oid. */
async function pagesAfterRebuild(client: Queryable): Promise<Map<number, number>> {
  const { rows: found } = await client.query("select to_regclass('deploy.rebuilt_index') is not null as kept");
  if (!found[0].kept) return new Map();
  const { rows } = await client.query<{ oid: number; pages: number }>(
    "select index as oid, pages from deploy.rebuilt_index",
  );
  return new Map(rows.map(({ oid, pages }) => [oid, pages]));
}

async function remember({ worker }: Session, name: string): Promise<void> {
  await worker.query(`
    create schema if not exists deploy;
    create table if not exists deploy.rebuilt_index (
      index oid primary key, pages int not null, rebuilt_at timestamptz not null default now());
    delete from deploy.rebuilt_index where index not in (select indexrelid from pg_index)`);
  await worker.query(
    `insert into deploy.rebuilt_index (index, pages) select oid, relpages from pg_class where oid = $1::regclass
     on conflict (index) do update set (pages, rebuilt_at) = (excluded.pages, excluded.rebuilt_at)`,
    [name],
  );
}
