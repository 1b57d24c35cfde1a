import { UserError } from "../errors.ts";
import type { Queryable } from "../queryable.ts";
import type { PartitionedTable } from "./tables.ts";

/**
 * Packed rows do not lie in partitions: those of months that expire would stay, behind the view of all prices, and what
 * is archived would be without them.
 * @param expired partitions, by their bounds as local times
 * @throws UserError where rows of their days are packed
 */
export async function refusePacked(
  client: Queryable,
  table: PartitionedTable,
  expired: readonly { name: string; fromBound: string; toBound: string }[],
): Promise<void> {
  if (table.schema !== "public" || table.name !== "price_history" || expired.length === 0) return;
  const found = await client.query("select to_regclass('packed.price_history_day') is not null as packable");
  if (!found.rows[0].packable) return;
  const { rows } = await client.query<{ name: string; first: string }>(
    `select e.name, min(period)::text as first
     from unnest($1::text[], $2::date[], $3::date[]) with ordinality as e (name, from_date, to_date, n)
     join packed.price_history_day d on d.date >= e.from_date and d.date < e.to_date
     group by e.n, e.name order by e.n limit 1`,
    [expired.map(({ name }) => name), expired.map(({ fromBound }) => fromBound), expired.map(({ toBound }) => toBound)],
  );
  if (rows[0])
    throw new UserError(`${rows[0].name} has expired, and cannot go: prices of its days are packed`, {
      why: "They would stay, and be missing from an archive.",
      fix: `Unpack them first: toolkit compress unpack --from ${rows[0].first}. Then retain again.`,
    });
}
