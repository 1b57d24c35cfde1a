import type pg from "pg";
import { type PackedMonth, packedMonths } from "../compress/expire.ts";
import { latePartition } from "../compress/store.ts";
import { UserError } from "../errors.ts";
import type { Queryable } from "../queryable.ts";
import type { Policy } from "./policy.ts";
import { type PartitionedTable, readPartitions } from "./tables.ts";

type Named = Pick<PartitionedTable, "schema" | "name">;

const isPrices = ({ schema, name }: Named) => schema === "public" && name === "price_history";
const isLate = ({ schema, name }: Named) => schema === "public" && name === latePartition;

/** The packed months whose retention is over. */
export interface ExpiredMonths {
  /** The day before which all goes, YYYY-MM-DD. */
  before: string;
  months: PackedMonth[];
}

/**
 * Finds the packed months whose retention is over: they lie in no partition of their own, but in chunks, and in one
 * partition for all that was written to them later.
 * @returns undefined where there is nothing to do, not even to let that partition begin later
 */
export async function findExpiredMonths(
  client: pg.ClientBase,
  table: PartitionedTable,
  { retention, timeZone }: Policy,
): Promise<ExpiredMonths | undefined> {
  if (!isPrices(table) || retention === null) return undefined;
  const { rows } = await client.query<{ before: string; start: string }>(
    `select cutoff::date::text as before, date_trunc('month', cutoff)::date::text as start
     from (select now() at time zone $1 - $2::interval as cutoff) as policy`,
    [timeZone, retention],
  );
  const { before, start } = rows[0]!;
  const months = await packedMonths(client, before);
  const late = (await readPartitions(client, table.oid, timeZone)).find((each) => isLate(each));
  return months.length > 0 || (late && late.from < start) ? { before, months } : undefined;
}

/** Leaves out the partition that stands for all packed months: it goes with them. */
export function besidesLate<Each extends Named>(table: PartitionedTable, expired: Each[]): Each[] {
  return isPrices(table)
    ? expired.filter(({ schema, name }) => schema !== "public" || name !== latePartition)
    : expired;
}

/**
 * A partition whose rows are packed is empty, and stays until no transaction is left that sees them in it: the archive of
 * its month would be made twice.
 * @param expired partitions, by their bounds as local times
 * @throws UserError where rows of their days are packed
 */
export async function refusePacked(
  client: Queryable,
  table: PartitionedTable,
  expired: readonly { name: string; fromBound: string; toBound: string }[],
): Promise<void> {
  if (!isPrices(table) || expired.length === 0) return;
  const found = await client.query("select to_regclass('packed.price_history_day') is not null as packable");
  if (!found.rows[0].packable) return;
  const { rows } = await client.query<{ name: string }>(
    `select e.name
     from unnest($1::text[], $2::date[], $3::date[]) with ordinality as e (name, from_date, to_date, n)
     where exists (select from packed.price_history_day d where d.date >= e.from_date and d.date < e.to_date)
     order by e.n limit 1`,
    [expired.map(({ name }) => name), expired.map(({ fromBound }) => fromBound), expired.map(({ toBound }) => toBound)],
  );
  if (rows[0])
    throw new UserError(`${rows[0].name} has expired, and cannot go yet: packing its prices has not ended`, {
      why: "Its rows are packed, and the emptied partition is still there, for a transaction that sees them in it.",
      fix: "End that transaction or wait for it, and let packing end: toolkit compress pack. Then retain again.",
    });
}
