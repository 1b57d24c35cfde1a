import type pg from "pg";
import type { Policy, Unit } from "./policy.ts";
import { type PartitionedTable, partitionsSql } from "./tables.ts";

/** A range without a partition. At most one unit long, and shorter where a partition covers the unit in part. */
export interface Missing {
  /**
   * ahead: this unit and the ones that the policy asks for. behind: between the last partition and this unit.
   * gap: between two partitions.
   */
  kind: "ahead" | "behind" | "gap";
  /** The name that its partition gets. */
  name: string;
  /** Local times, as those of a partition. */
  from: string;
  to: string;
  /** The bounds as PostgreSQL takes them for the column's type, without quotes. */
  fromBound: string;
  toBound: string;
}

/**
 * The longest run of units that is filled by itself. A longer one is not what upkeep has missed: it lies between the
 * history and the present of a table that has rows of few units, or beside a mistyped year.
 */
export const longestGap: Record<Unit, number> = { month: 24, week: 104, day: 366 };

/**
 * SQL of what partitions cover, as the start of a WITH. $1 the table's OID, $2 the time zone, $3 the unit.
 */
export const spanSql = `
  with bounds as (select * from (${partitionsSql}) as partitions where not is_default and not detach_pending),
  span as (
    select date_trunc($3, now() at time zone $2) as present, ('1 ' || $3)::interval as step,
           min(from_at) filter (where isfinite(from_at)) as first_at, max(to_at) filter (where isfinite(to_at)) as last_at,
           coalesce(range_agg(tsrange(from_at, to_at)), '{}') as covered
    from bounds
  )`;

/** SQL of the units without a partition: `pieces` are what of each unit no partition covers. $4 is how many ahead. */
export const missingSql = `${spanSql},
  pieces as (
    select start, start + step as stop, piece,
           case when start between present and present + $4::int * step then 'ahead'
                when start < present and start >= last_at - step then 'behind' else 'gap' end as kind
    from span
    cross join generate_series(date_trunc($3, least(first_at, present)), greatest(last_at, present + ($4::int + 1) * step)
                               - interval '1 microsecond', step) as start
    cross join lateral unnest(tsmultirange(tsrange(start, start + step)) - covered) as piece
    where upper(piece) > first_at or first_at is null
  )`;

const boundFormats: Record<PartitionedTable["type"], string> = {
  date: "YYYY-MM-DD",
  "timestamp without time zone": "YYYY-MM-DD HH24:MI:SS.US",
  "timestamp with time zone": "YYYY-MM-DD HH24:MI:SS.US",
};

/** SQL of a bound that the column's type takes; $2 is the time zone. */
export function boundSql({ type }: Pick<PartitionedTable, "type">, time: string): string {
  const zone = type === "timestamp with time zone" ? " || ' ' || $2" : "";
  return `to_char(${time}, '${boundFormats[type]}')${zone}`;
}

/** SQL of a partition's name: that of the table with the unit, or with both days where it is only a part of one. */
export function nameSql(base: string): string {
  const suffixes = `case when upper(piece) - lower(piece) < stop - start
      then to_char(lower(piece), '_YYYY_MM_DD') || to_char(upper(piece), '"_to_"YYYY_MM_DD')
      else to_char(start, case $3 when 'month' then '_YYYY_MM' when 'week' then '_IYYY"w"IW' else '_YYYY_MM_DD' end) end`;
  // Names are cut at 63 bytes, and a cut suffix would give two partitions one name.
  return `left(${base}, 63 - length(${suffixes})) || ${suffixes}`;
}

/** Finds what is missing, in order of time. */
export async function findMissing(client: pg.ClientBase, table: PartitionedTable, policy: Policy): Promise<Missing[]> {
  const { rows } = await client.query<Missing>(
    `${missingSql}
     select kind, ${nameSql("$5::text")} as name, lower(piece)::text as from, upper(piece)::text as to,
            ${boundSql(table, "lower(piece)")} as "fromBound", ${boundSql(table, "upper(piece)")} as "toBound"
     from pieces order by start, piece`,
    [table.oid, policy.timeZone, policy.interval, policy.ahead, table.name],
  );
  return rows;
}

/** Consecutive ranges, each run together. */
export function runs<Range extends { from: string; to: string }>(ranges: Range[]): Range[][] {
  const found: Range[][] = [];
  for (const range of ranges) {
    const last = found.at(-1);
    if (last?.at(-1)?.to === range.from) last.push(range);
    else found.push([range]);
  }
  return found;
}
