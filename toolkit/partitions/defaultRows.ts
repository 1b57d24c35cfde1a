import pg from "pg";
import type { Bounds } from "./create.ts";
import { boundSql, type Missing, nameSql, spanSql } from "./missing.ts";
import type { Policy } from "./policy.ts";
import type { Partition, PartitionedTable } from "./tables.ts";

/** A partition that the rows of a default partition need, and how many rows it would get. */
export type Needed = Pick<Missing, "name" | "from" | "to"> & Bounds & { rows: number };

/**
 * The dates that a row may plausibly have. Rows of others, and rows without a date, stay in the default partition: one
 * mistyped year must not make a partition. 1800 is where the longest series of share prices begin.
 */
export const plausible = {
  from: "timestamp '1800-01-01'",
  to: "(now() at time zone $2)::timestamp + interval '10 years'",
};

/** Finds the partitions that the rows of a default partition need, in order of time. Reads the whole of it. */
export async function rowsInDefault(
  client: pg.ClientBase,
  table: PartitionedTable,
  defaultPartition: Partition,
  policy: Policy,
): Promise<Needed[]> {
  const column = pg.escapeIdentifier(table.column);
  const local = table.type === "timestamp with time zone" ? `${column} at time zone $2` : `${column}::timestamp`;
  // Counted by unit first; then each unit is cut by what other partitions cover of it.
  const { rows } = await client.query<Needed>(
    `${spanSql},
     counted as (
       select date_trunc($3, local) as start, min(local) as earliest, max(local) as latest, count(*) as rows
       from (select ${local} as local from ${defaultPartition.sql} where isfinite(${column})) as rows
       where local >= ${plausible.from} and local < ${plausible.to}
       group by 1
     )
     select ${nameSql("$4::text")} as name, lower(piece)::text as from, upper(piece)::text as to,
            ${boundSql(table, "lower(piece)")} as "fromBound", ${boundSql(table, "upper(piece)")} as "toBound",
            rows::float8
     from (select start, start + ('1 ' || $3)::interval as stop, earliest, latest, rows from counted) as units
     cross join span
     cross join lateral unnest(tsmultirange(tsrange(start, stop)) - covered) as piece
     where piece && tsrange(earliest, latest, '[]')
     order by start, piece`,
    [table.oid, policy.timeZone, policy.interval, table.name],
  );
  return rows;
}
