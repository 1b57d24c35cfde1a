import { waitForOlderSnapshots } from "../convert/session.ts";
import { UserError } from "../errors.ts";
import { count } from "../terminal.ts";
import { triggerFunction } from "./defaultChanges.ts";
import { abandon, copyRows, type Emptying, findEmptying, namesFor, startEmptying } from "./defaultEmptying.ts";
import { rowsInDefault } from "./defaultRows.ts";
import { exchange, refuseReferences, verify } from "./exchangeDefault.ts";
import type { Policy } from "./policy.ts";
import { inTransaction, type Session, withinLockTimeout } from "./session.ts";
import { columnsOf, type PartitionedTable, readPartitions } from "./tables.ts";

// Changes that are brought over in one transaction: few at first, and twice as many each time while it takes less than
// `longPass` milliseconds. Nobody waits for it, and of more changes more are of the same rows.
const [fewChanges, mostChanges, longPass] = [2_000, 64_000, 1_000];
/** Milliseconds after which no more portions are brought over while writers wait: they go on, and wait again later. */
const longestWait = 2_000;

/**
 * Moves the rows of a default partition to partitions of their own, while it is read and written. Rows cannot simply be
 * moved: a partition cannot be attached while the default one has its rows, and rows in neither are seen by nobody. So
 * they are copied, changes are noted and then made in both, until both are the same in every snapshot that is left; then
 * one short transaction takes the old default partition away and attaches the copies.
 *
 * Killed at any point, the old default partition has every row, and the next call goes on.
 * @returns the partitions that were made
 * @throws UserError where a foreign key of another table refers to the parent
 */
export async function emptyDefault(session: Session, table: PartitionedTable, policy: Policy): Promise<string[]> {
  const { client, say } = session;
  const made: string[] = [];
  for (const deadline = Date.now() + session.patience; Date.now() < deadline; ) {
    const partitions = await readPartitions(client, table.oid, policy.timeZone);
    const defaultPartition = partitions.find(({ isDefault }) => isDefault);
    if (!defaultPartition) return made;
    let emptying = await findEmptying(client, table, defaultPartition);
    if (!emptying) {
      const needed = await rowsInDefault(client, table, defaultPartition, policy);
      if (needed.length === 0) return made;
      await refuseReferences(session, table);
      const rows = needed.reduce((sum, each) => sum + each.rows, 0);
      say(
        `${table.sql}: ${count(rows)} rows of ${defaultPartition.sql} go to ${needed.map(({ name }) => name).join(", ")}`,
      );
      await startEmptying(session, table, defaultPartition, needed);
      emptying = (await findEmptying(client, table, defaultPartition))!;
    }
    if (await finishEmptying(session, emptying, deadline))
      made.push(...emptying.copies.slice(0, -1).map(({ name }) => name));
  }
  throw outOfPatience(session, table, "rows of ever other partitions came, or it was altered or truncated");
}

/** @returns false when it had to be given up, for it to begin anew */
async function finishEmptying(session: Session, emptying: Emptying, deadline: number): Promise<boolean> {
  const { client, say } = session;
  const { defaultPartition } = emptying;
  if ((await columnsChanged(session, emptying)) || (await truncated(session, emptying))) {
    say(`${defaultPartition.sql} was altered or truncated meanwhile: beginning anew`);
    await abandon(session, emptying);
    return false;
  }
  if (emptying.phase === "logging") {
    for (const copy of emptying.copies) if (!copy.copied) await copyRows(session, emptying, copy);
    if (!(await mirror(session, emptying, deadline))) return finishEmptying(session, emptying, deadline);
  }
  await verify(session, emptying);
  await client.query("set timezone to 'UTC'");
  await waitForOlderSnapshots({ ...session, settings: { ...waiting, ...session, table: "" } }, emptying.fence!);
  await exchange(session, emptying);
  say(`${defaultPartition.sql}: its rows have partitions of their own`);
  return true;
}

/** What the wait for older snapshots does not use. */
const waiting = {
  ...{ column: "", batchTime: 0, batchBlocks: 0, maxReplicaLag: 0, maxLatency: 0, rest: 0, keepId: false, keepFor: 0 },
  progress: () => {},
};

async function columnsChanged({ client }: Session, { table, defaultPartition }: Emptying): Promise<boolean> {
  const { rows } = await client.query("select columns from deploy.default_emptying where default_oid = $1", [
    defaultPartition.oid,
  ]);
  return rows[0].columns !== JSON.stringify(await columnsOf(client, table.oid));
}

async function truncated({ client }: Session, { defaultPartition }: Emptying): Promise<boolean> {
  const { changes } = namesFor(defaultPartition);
  const { rows } = await client.query(
    `select exists (select from ${changes} where changed is not distinct from null) as so`,
  );
  return rows[0].so;
}

/**
 * Turns from noting changes to making them in both, while writers of the default partition wait for the last ones.
 * Where they note faster than we bring over, they are made to wait while we do, a little longer each time.
 * @returns false when there was a truncate among the changes
 * @throws UserError when the patience is at its end
 */
async function mirror(session: Session, emptying: Emptying, deadline: number): Promise<boolean> {
  const { client, lockTimeout } = session;
  const { defaultPartition, copies } = emptying;
  const { drain } = namesFor(defaultPartition);
  let portion = fewChanges;
  const bringOver = async () => (await client.query(`select ${drain}($1) as drained`, [portion])).rows[0].drained;
  let wait = lockTimeout;
  let behind = Number.POSITIVE_INFINITY;
  while (Date.now() < deadline) {
    if (await truncated(session, emptying)) return false;
    const started = Date.now();
    if ((await inTransaction(client, bringOver)) === portion) {
      const before = behind;
      behind = await noted(session, emptying);
      const grows = Date.now() - started < longPass && portion < mostChanges;
      if (grows) portion *= 2;
      if (grows || behind < before) continue;
    }
    const outcome = await withinLockTimeout(session, `mirroring ${defaultPartition.sql}`, async () => {
      await client.query(`lock table ${defaultPartition.sql} in share row exclusive mode`);
      if (await truncated(session, emptying)) return "truncated";
      for (const end = Date.now() + wait; (await bringOver()) > 0; ) if (Date.now() > end) return "more";
      await client.query(triggerFunction(defaultPartition, "mirrored", copies));
      const { rows } = await client.query(
        `update deploy.default_emptying set phase = 'mirrored', fence = pg_current_xact_id()
         where default_oid = $1 returning fence::text`,
        [defaultPartition.oid],
      );
      return rows[0].fence as string;
    });
    if (outcome === "truncated") return false;
    if (outcome === "more") {
      wait = Math.min(2 * wait, Math.max(longestWait, lockTimeout));
      continue;
    }
    emptying.phase = "mirrored";
    emptying.fence = outcome;
    return true;
  }
  throw outOfPatience(session, emptying.table, "its rows change faster than they can be copied");
}

/** About how many changes are noted and not brought over. */
async function noted({ client }: Session, { defaultPartition }: Emptying): Promise<number> {
  const { changes } = namesFor(defaultPartition);
  const { rows } = await client.query(`select coalesce(max(seq) - min(seq) + 1, 0)::float8 as number from ${changes}`);
  return rows[0].number;
}

function outOfPatience({ patience }: Session, { sql }: PartitionedTable, why: string): UserError {
  return new UserError(
    `the default partition of ${sql} was not emptied within ${Math.round(patience / 1000)} seconds`,
    {
      why: `Meanwhile ${why}. Every row is where it was.`,
      fix: `Run it again when less is written: toolkit partitions repair ${sql}. It goes on where it stopped.`,
    },
  );
}
