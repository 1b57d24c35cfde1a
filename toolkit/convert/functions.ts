import type { Names } from "./names.ts";
import type { Shape } from "./shape.ts";

/**
 * The functions and triggers of a conversion. They run with the rights of who made them, for the application has none on
 * the tables that they write to.
 */
const safely = "security definer set search_path = pg_catalog, pg_temp set jit = off";

type KeyAndColumns = Pick<Shape, "key" | "columns">;

const list = (names: readonly string[], alias = "") => names.map((name) => `${alias}${name}`).join(", ");
const columnNames = ({ columns }: KeyAndColumns) => columns.map(({ name }) => name);
const sameKey = ({ key }: KeyAndColumns, a: string, b: string) =>
  key.map((name) => `${a}.${name} = ${b}.${name}`).join(" and ");

/** What an insert does where the row is there already: it becomes the new one. */
function orUpdate(shape: KeyAndColumns): string {
  const others = columnNames(shape).filter((name) => !shape.key.includes(name));
  const action =
    others.length > 0 ? `update set ${others.map((name) => `${name} = excluded.${name}`).join(", ")}` : "nothing";
  return `on conflict (${list(shape.key)}) do ${action}`;
}

/** While rows are copied: a change leaves the keys of its rows in the log. Truncating leaves a row without a key. */
export function loggingFunction({ onChange, changes }: Names, { key }: KeyAndColumns): string {
  const log = (rows: string) => `insert into ${changes} (${list(key)}) ${rows}`;
  return `
    create or replace function ${onChange}() returns trigger language plpgsql ${safely} as $function$
    begin
      case tg_op
        when 'INSERT' then ${log(`select ${list(key)} from new_rows`)};
        when 'DELETE' then ${log(`select ${list(key)} from old_rows`)};
        when 'UPDATE' then ${log(`select ${list(key)} from old_rows union select ${list(key)} from new_rows`)};
        else insert into ${changes} default values;
      end case;
      return null;
    end $function$;`;
}

/**
 * Once rows are copied: a change of one table is made in the other one too, in the same transaction. Deletes go key by
 * key with a plan for each, which locks one partition; one plan for all would lock every partition.
 * @param target the other table
 * @param partitioned whether it may lack a row's month: such rows are left to the log, for making a partition is not
 *   the application's work
 */
export function mirroringFunction(
  { onChange, changes }: Names,
  shape: KeyAndColumns,
  target: string,
  partitioned: boolean,
): string {
  const { key } = shape;
  const names = list(columnNames(shape));
  const remove = (rows: string) => `
        for gone in ${rows} loop
          delete from ${target} as t where ${sameKey(shape, "t", "gone")};
        end loop;`;
  const write = `insert into ${target} (${names}) select ${names} from new_rows ${orUpdate(shape)};`;
  const orLog = `
        begin
          ${write}
        exception when check_violation then
          insert into ${changes} (${list(key)}) select ${list(key)} from new_rows;
        end;`;
  return `
    create or replace function ${onChange}() returns trigger language plpgsql ${safely}
      set plan_cache_mode = force_custom_plan as $function$
    declare
      gone record;
    begin
      if tg_op = 'TRUNCATE' then
        truncate ${target};
        return null;
      end if;
      if tg_op = 'DELETE' then${remove(`select ${list(key)} from old_rows`)}
      end if;
      if tg_op = 'UPDATE' then${remove(`select ${list(key)} from old_rows except select ${list(key)} from new_rows`)}
      end if;
      if tg_op <> 'DELETE' then
        ${partitioned ? orLog : write}
      end if;
      return null;
    end $function$;`;
}

/**
 * Brings logged changes over: each key's row becomes what it is in the source at that moment. Every change that the log
 * shows is visible to the same statement, and a later one has a log entry of its own.
 */
export function drainingFunction({ drain, changes, live, shadow }: Names, shape: KeyAndColumns): string {
  const { key } = shape;
  const names = columnNames(shape);
  return `
    create or replace function ${drain}(most integer) returns integer language plpgsql ${safely}
      set plan_cache_mode = force_custom_plan set enable_hashjoin = off set enable_mergejoin = off as $function$
    declare
      gone record;
      drained integer := 0;
    begin
      for gone in
        with taken as (
          delete from ${changes}
          where change_number in (select change_number from ${changes} order by change_number limit most) returning *
        ), keys as (
          select distinct ${list(key)} from taken where ${key[0]} is not null
        ), written as (
          insert into ${shadow} (${list(names)})
          select ${list(names, "s.")} from keys join ${live} as s on ${sameKey(shape, "keys", "s")}
          order by ${list(key, "s.")}
          ${orUpdate(shape)}
        )
        select keys.*, (select count(*) from taken) as taken, ${key[0]} is not null as found
        from (select) as one
        left join keys on not exists (select from ${live} as s where ${sameKey(shape, "keys", "s")})
      loop
        drained := gone.taken;
        if gone.found then
          delete from ${shadow} as t where ${sameKey(shape, "t", "gone")};
        end if;
      end loop;
      return drained;
    end $function$;`;
}

const events = [
  ["insert", "referencing new table as new_rows"],
  ["update", "referencing old table as old_rows new table as new_rows"],
  ["delete", "referencing old table as old_rows"],
  ["truncate", ""],
] as const;

const triggerName = (event: string) => `partitioning_${event}`;

/** Triggers on a table, one firing a statement: ALWAYS, for a subscription's changes count as much as a session's. */
export function createTriggers({ onChange }: Names, table: string): string {
  return events
    .map(
      ([event, rows]) => `
    create trigger ${triggerName(event)} after ${event} on ${table} ${rows}
      for each statement execute function ${onChange}();
    alter table ${table} enable always trigger ${triggerName(event)};`,
    )
    .join("");
}

export function dropTriggers(table: string): string {
  return events.map(([event]) => `drop trigger if exists ${triggerName(event)} on ${table};`).join("\n");
}
