import type { Connection } from "../connection.ts";
import { withDefaults } from "../convert/options.ts";
import { type Session, withinLockBudget, withSession } from "../convert/session.ts";
import { messageOf, UserError } from "../errors.ts";
import { cutoffOf, type Partition, partitionsBefore, requireStore } from "./store.ts";
import { tidy } from "./tidy.ts";

/** How to pack. */
export interface PackOptions {
  /** The age from which a partition is packed, as PostgreSQL reads an interval: "2 years". */
  olderThan: string;
  /** Only tell what would be done. */
  dryRun?: boolean;
  /** Milliseconds that anybody waits because of a lock of ours, each time. */
  lockTimeout?: number;
  /** Milliseconds to go on trying for a lock before giving up. */
  patience?: number;
  say?: (line: string) => void;
  /** Is told how many of the half-years are done. */
  progress?: (done: number, total: number, note: string) => void;
}

/** What was packed, or would be. */
export interface Packed {
  cutoff: string;
  periods: { period: string; rows: number | null }[];
  /** Whether the emptied monthly partitions have given way to the one for late rows. */
  tidied: boolean;
}

/**
 * Packs the partitions of price_history that are older than an age, and packs anew the half-years that late rows or
 * corrections came to. Each half-year is one transaction, which readers do not wait for: they find the plain rows before
 * it commits, and the packed ones after, in any isolation level. Writers to these old days wait. Killed at any
 * moment, it goes on where it stopped.
 * @throws UserError when another session packs or converts the table, when no lock is had, or a price cannot be packed
 */
export async function pack(connection: Connection, options: PackOptions): Promise<Packed> {
  const { lockTimeout, patience, say = () => {}, progress = () => {} } = options;
  const settings = withDefaults({ table: "price_history", lockTimeout, patience, say });
  return withSession(connection, settings, "price_history", async (session) => {
    const { client } = session;
    await requireStore(client);
    const cutoff = await cutoffOf(client, options.olderThan);
    const partitions = await partitionsBefore(client, cutoff);
    const periods = await periodsToPack(session, partitions);
    if (options.dryRun) return { cutoff, periods: periods.map((period) => ({ period, rows: null })), tidied: false };
    const done: Packed["periods"] = [];
    for (const period of periods) {
      progress(done.length, periods.length, period);
      done.push({ period, rows: await packPeriod(session, period, partitions.at(-1)!.to) });
      progress(done.length, periods.length, period);
    }
    if (done.length > 0) await client.query("analyze packed.price_history_chunk");
    return { cutoff, periods: done, tidied: await tidy(session, cutoff) };
  });
}

/** The half-years in which old partitions have plain rows. */
async function periodsToPack({ client }: Session, partitions: Partition[]): Promise<string[]> {
  const filled = partitions.filter((partition) => partition.filled);
  if (filled.length === 0) return [];
  const { rows } = await client.query<{ period: string }>(
    filled
      .map(({ name }) => `select distinct packed.period_of(date)::text as period from ${name}`)
      .join(" union ")
      .concat(" order by 1"),
  );
  return rows.map(({ period }) => period);
}

/**
 * Packs all rows of a half-year before a date, plain and packed. Rows are deleted, not their tables dropped: to
 * a snapshot taken before, deleted rows are still there, and those of a dropped table are not.
 */
export function packPeriod(session: Session, period: string, before: string): Promise<number> {
  return withinLockBudget(session, `pack the half-year from ${period}`, async () => {
    const { client } = session;
    const { rows } = await client.query<{ end: string }>(
      "select least(($1::date + interval '6 months')::date, $2::date)::text as end",
      [period, before],
    );
    const { end } = rows[0]!;
    for (const name of await lockPartitions(session, period, end)) await ensureTrigger(session, name);
    const packed = await client
      .query<{ rows: string }>("select packed.pack_price_history($1::date, $1::date, $2::date) as rows", [period, end])
      .catch((error) => {
        throw explain(error, period);
      });
    return Number(packed.rows[0]!.rows);
  });
}

/** Locks the partitions that hold days from one to before another against writers. @returns their names */
export async function lockPartitions({ client }: Session, from: string, to: string): Promise<string[]> {
  // Nobody makes a partition meanwhile, into which rows could come that are neither locked nor packed.
  await client.query("lock table only public.price_history in share update exclusive mode");
  const { rows } = await client.query<{ name: string }>(
    `select partition::text as name from partition_bounds('public.price_history')
     where from_date < $2::date and to_date > $1::date order by from_date`,
    [from, to],
  );
  for (const { name } of rows) await client.query(`lock table ${name} in share row exclusive mode`);
  return rows.map(({ name }) => name);
}

/** The trigger that takes a packed row out of its chunk when a plain one with its key is written. */
export async function ensureTrigger({ client }: Session, partition: string): Promise<void> {
  const { rows } = await client.query(
    "select from pg_trigger where tgrelid = $1::regclass and tgname = 'packed_row_replaced'",
    [partition],
  );
  if (rows.length > 0) return;
  await client.query(
    `create trigger packed_row_replaced after insert or update on ${partition}
     for each row execute function packed.price_history_written()`,
  );
}

function explain(error: unknown, period: string): unknown {
  // numeric_value_out_of_range and feature_not_supported are what NaN gives, which numeric(18,6) may hold.
  if (!["22003", "0A000"].includes((error as { code?: string }).code ?? "")) return error;
  return new UserError(`the half-year from ${period} cannot be packed`, {
    why: `A price in it is not a number: ${messageOf(error)}.`,
    fix: "Find it, by select * from price_history where 'NaN' in (open, high, low, close, adjusted_close), and correct it.",
    cause: error,
  });
}
