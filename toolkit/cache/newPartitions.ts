import pg from "pg";
import type { Queryable } from "../queryable.ts";
import { announcer, createTrigger, watchTables } from "./watch.ts";

/** A watched table with partitions that do not announce their changes. */
export interface PartlyWatched {
  /** As SQL writes it, with the search path of the session. */
  name: string;
  unwatched: number;
}

/** Watched tables that got partitions by other means than {@link announceLike}; while they have them they are not cached. */
export async function findNewPartitions(db: Queryable): Promise<PartlyWatched[]> {
  const { rows } = await db.query<PartlyWatched>(
    `select tgrelid::regclass::text as name, unwatched
     from pg_trigger
     cross join lateral (
       select count(*)::int as unwatched from pg_partition_tree(tgrelid)
       where not exists (select from pg_trigger t where t.tgrelid = relid and t.tgfoid = ${announcer})
     ) as partitions
     where tgfoid = ${announcer} and pg_partition_root(tgrelid) = tgrelid and unwatched > 0
     order by name`,
  );
  return rows;
}

/**
 * Has their changes announced. May be repeated.
 * @returns the number of partitions that got a trigger
 * @throws UserError where a lock is not had in time
 */
export async function watchNewPartitions(db: Queryable): Promise<number> {
  const found = await findNewPartitions(db);
  return found.length === 0
    ? 0
    : watchTables(
        db,
        found.map(({ name }) => name),
      );
}

/**
 * SQL that has a table announce its changes if another one does: for one that is to become a partition of that. Where
 * the role may not use the function it does nothing, and {@link watchNewPartitions} has to come later.
 * @param parent as SQL writes it, and so is `table`
 */
export function announceLike(parent: string, table: string): string {
  return `
    do $announce$
    begin
      if exists (select from pg_trigger join pg_proc p on p.oid = tgfoid
                 where tgrelid = ${pg.escapeLiteral(parent)}::regclass and tgfoid = ${announcer}
                   and has_schema_privilege(pronamespace, 'usage') and has_function_privilege(tgfoid, 'execute')) then
        ${createTrigger(table)};
      end if;
    end
    $announce$;`;
}
