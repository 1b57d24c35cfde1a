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

/** A condition that holds for the rows of one copy. @param value the row's value of the column, as SQL */
export function belongs(table: PartitionedTable, copies: readonly Copy[], copy: Copy, value: string): string {
  if (copy.fromBound !== null) return within(table, copy as Bounds, value);
  const others = copies.filter(({ fromBound }) => fromBound !== null) as Bounds[];
  return `not (${others.map((other) => within(table, other, value)).join(" or ") || "false"})`;
}

/** A function that makes one change in the copy that it belongs to, and one that makes a portion of those that are noted. */
export function applyFunctions(
  table: PartitionedTable,
  defaultPartition: Partition,
  copies: Copy[],
  columns: string[],
  key: string[],
): string {
  const { apply } = namesFor(defaultPartition);
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
    ${drainFunction(table, defaultPartition, copies, columns, key)}`;
}

/**
 * What is left of a portion is made at once, for all rows of it: a row that changed a hundred times meanwhile is removed
 * and put in once. So writers that change the same rows over and over do not outrun it. The order of rows that do not
 * touch does not matter, for every portion is a beginning of what was noted and ends with the same rows.
 */
function drainFunction(
  table: PartitionedTable,
  defaultPartition: Partition,
  copies: Copy[],
  columns: string[],
  key: string[],
): string {
  const { drain, changes } = namesFor(defaultPartition);
  const column = quoted(table.column);
  const text = `row(${columns.join(", ")})::text`;
  const ofCopy = (copy: Copy) => belongs(table, copies, copy, `r.${column}`);
  const byKey = (copy: Copy) => `
      delete from ${copySql(copy)} c using unnest(gone) r
      where ${ofCopy(copy)} and ${key.map((name) => `c.${name} = r.${name}`).join(" and ")};`;
  // Without a key as many rows go as look so.
  const byLooks = (copy: Copy) => `
      if exists (select from unnest(gone) r where ${ofCopy(copy)}) then
        delete from ${copySql(copy)} where ctid = any (array(
          select ctid
          from (select ctid, ${text} as looks, row_number() over (partition by ${text}) as number from ${copySql(copy)}
                where ${column} is null or ${column} in (select r.${column} from unnest(gone) r)) as present
          join (select ${text} as looks, row_number() over (partition by ${text}) as number from unnest(gone) r
                where ${ofCopy(copy)}) as removed using (looks, number)));
      end if;`;
  return `
    create function ${drain}(portion integer) returns integer language plpgsql as $drain$
    declare
      number integer;
      gone ${defaultPartition.sql}[];
      come ${defaultPartition.sql}[];
    begin
      with taken as (
        delete from ${changes}
        where seq in (select seq from ${changes} where changed is distinct from null order by seq limit portion)
        returning removed, changed
      ),
      net as (
        select (array_agg(changed))[1] as changed, sum(case when removed then -1 else 1 end)::integer as surplus
        from taken group by changed::text
      )
      select (select count(*) from taken),
             array_agg(changed) filter (where surplus < 0), array_agg(changed) filter (where surplus > 0)
      into number, gone, come
      from net cross join lateral generate_series(1, abs(surplus));
      ${copies.map((copy) => (copy.fromBound !== null && key.length > 0 ? byKey(copy) : byLooks(copy))).join("")}
      ${copies
        .map(
          (copy) => `
      insert into ${copySql(copy)} (${columns.join(", ")})
      select ${columns.join(", ")} from unnest(come) r where ${ofCopy(copy)};`,
        )
        .join("")}
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
