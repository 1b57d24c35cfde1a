import pg from "pg";
import { type Bounds, within } from "./create.ts";
import { type Copy, copySql, type Emptying, namesFor } from "./defaultEmptying.ts";
import type { Partition, PartitionedTable } from "./tables.ts";

const quoted = pg.escapeIdentifier;

/** The columns by which a row is found again: those of a key, or all of them where there is none. */
export async function keyOf(client: pg.ClientBase, { oid, column }: PartitionedTable): Promise<string[]> {
  const { rows } = await client.query<{ columns: string[] }>(
    `select array_agg(quote_ident(attname) order by place) as columns
     from pg_index cross join lateral unnest(indkey) with ordinality k(number, place)
     join pg_attribute on attrelid = indrelid and attnum = number
     where indrelid = $1 and indisunique and indisvalid and indpred is null and indexprs is null and place <= indnkeyatts
     group by indexrelid, indisprimary having bool_and(attnotnull or attname = $2) order by indisprimary desc, indexrelid limit 1`,
    [oid, column],
  );
  return rows[0]?.columns ?? [];
}

/** A function that makes one change in the copy that it belongs to, and one that makes those that are noted. */
export function applyFunctions(
  table: PartitionedTable,
  defaultPartition: Partition,
  copies: Copy[],
  columns: string[],
  key: string[],
): string {
  const { apply, drain, changes } = namesFor(defaultPartition);
  const column = quoted(table.column);
  const values = columns.map((name) => `(r).${name}`).join(", ");
  // Without a key, the rows that look the same are the same: any one of them goes. So it is where rows without a date are.
  const all = (row: string) => columns.map((name) => `${row}${name}`).join(", ");
  const looks = `c.${column} is not distinct from (r).${column} and row(${all("c.")})::text = row(${all("(r).")})::text`;
  const byKey = key.map((name) => `c.${name} = (r).${name}`).join(" and ");
  const same = (copy: Copy) => (copy.fromBound !== null && byKey) || looks;
  const change = (copy: Copy) => `
      if removed then
        delete from ${copySql(copy)} where ctid = (select c.ctid from ${copySql(copy)} as c where ${same(copy)} limit 1);
      else
        insert into ${copySql(copy)} (${columns.join(", ")}) values (${values});
      end if;`;
  const bounded = copies.filter(({ fromBound }) => fromBound !== null);
  const branches = bounded.map(
    (copy) => `
    if ${within(table, copy as Bounds, "at")} then ${change(copy)}
      return;
    end if;`,
  );
  return `
    create function ${apply}(removed boolean, r ${defaultPartition.sql}) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $apply$
    declare
      at constant ${table.type} := (r).${column};
    begin ${branches.join("")}
      ${change(copies.at(-1)!)}
    end
    $apply$;
    create function ${drain}(portion integer) returns integer language plpgsql as $drain$
    declare
      noted record;
      number integer := 0;
    begin
      for noted in select * from ${changes} order by seq limit portion loop
        perform ${apply}(noted.removed, noted.changed);
        delete from ${changes} where seq = noted.seq;
        number := number + 1;
      end loop;
      return number;
    end
    $drain$;`;
}

/** The trigger's function: it notes a change, or makes it in the copy at once. A truncate is noted as a null row. */
export function triggerFunction(defaultPartition: Partition, phase: Emptying["phase"], copies: Copy[]): string {
  const { changes, apply, onChange } = namesFor(defaultPartition);
  const take = (removed: boolean, row: string) =>
    phase === "logging"
      ? `insert into ${changes} (removed, changed) values (${removed}, ${row});`
      : `perform ${apply}(${removed}, ${row});`;
  const truncated =
    phase === "logging"
      ? `insert into ${changes} (removed) values (true);`
      : copies.map((copy) => `truncate ${copySql(copy)};`).join(" ");
  return `
    create or replace function ${onChange}() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $trigger$
    begin
      if tg_op = 'TRUNCATE' then
        ${truncated}
        return null;
      end if;
      if tg_op <> 'INSERT' then ${take(true, "old")} end if;
      if tg_op <> 'DELETE' then ${take(false, "new")} end if;
      return null;
    end
    $trigger$;`;
}
