import type pg from "pg";
import type { Finding } from "./validate.ts";

/** Objects that are there and not as they should be. */
export interface ObjectStates {
  /** Qualified and quoted. */
  invalidIndexes: string[];
  /** "table.constraint", qualified and quoted. */
  notValidated: string[];
  /** "table YYYY-MM": months of the window that no partition covers. */
  gaps: string[];
}

// Months after this one for which partitions must be there: time for someone to look after upkeep that has stopped.
const partitionWindow = 2;

/** Looks for indexes, constraints and partitions that are not as they should be. */
export async function lookAtObjects(client: pg.ClientBase, window = partitionWindow): Promise<ObjectStates> {
  const { rows } = await client.query(
    `select
       array(select format('%I.%I', nspname, relname)
             from pg_index x join pg_class c on c.oid = indexrelid join pg_namespace n on n.oid = relnamespace
             where not indisvalid and nspname !~ '^pg_(toast|temp)'
               and not exists (select from pg_stat_progress_create_index p
                               where p.index_relid = x.indexrelid and p.datname = current_database())
             order by 1) as "invalidIndexes",
       array(select format('%I.%I.%I', nspname, relname, conname)
             from pg_constraint o join pg_class c on c.oid = conrelid join pg_namespace n on n.oid = relnamespace
             where not convalidated and conparentid = 0 and nspname !~ '^pg_'
             order by 1) as "notValidated",
       to_regprocedure('public.missing_months(regclass, date, date)') is not null as upkeep`,
  );
  const { upkeep, ...states } = rows[0];
  return { ...states, gaps: upkeep ? await gapsOfPartitions(client, window) : [] };
}

/** The months that partitions by date lack, by the function of migration 0016. */
async function gapsOfPartitions(client: pg.ClientBase, window: number): Promise<string[]> {
  const { rows } = await client.query(
    `select format('%I.%I %s', nspname, relname, to_char(month, 'YYYY-MM')) as gap
     from pg_partitioned_table p
     join pg_class c on c.oid = partrelid join pg_namespace n on n.oid = relnamespace
     join pg_attribute a on a.attrelid = c.oid and a.attnum = partattrs[0]
     cross join lateral public.missing_months(c.oid::regclass, current_date,
                                              (current_date + $1 * interval '1 month')::date) as month
     where partstrat = 'r' and partnatts = 1 and atttypid = 'date'::regtype and not relispartition
     order by 1`,
    [window],
  );
  return rows.map(({ gap }) => gap);
}

/** What a kind of object that is not as it should be means, and what to do. */
const kinds: Readonly<
  Record<
    keyof ObjectStates,
    { check: Finding["check"]; what: (names: string) => string; why: string; fix: (first: string) => string }
  >
> = {
  invalidIndexes: {
    check: "invalid-index",
    what: (names) => `invalid indexes: ${names}`,
    why: "Queries do not use an invalid index, and every write pays for it.",
    fix: (first) => `Build it again: reindex index concurrently ${first};`,
  },
  notValidated: {
    check: "constraint-not-validated",
    what: (names) => `constraints that are not validated: ${names}`,
    why: "Rows from before may break them, and the planner does not rely on them.",
    fix: (first) =>
      `Validate it, in a migration of its own (alter table ${first.replace(/\.[^.]+$/, "")} validate constraint ${first.split(".").at(-1)}), or say why not yet: -- accepts constraint-not-validated: REASON`,
  },
  gaps: {
    check: "partition-missing",
    what: (names) => `months without a partition: ${names}`,
    why: "Rows of those months are refused, or fill the default partition.",
    fix: (first) => `Make them: select create_partitions_ahead('${first.split(" ")[0]}', 12);`,
  },
};

/** What is not as it should be: a failure where it is new, otherwise a warning. */
export function objectFindings(before: ObjectStates, after: ObjectStates): Finding[] {
  return (Object.keys(kinds) as (keyof ObjectStates)[]).flatMap((kind) => {
    const { check, what, why, fix } = kinds[kind];
    const known = new Set(before[kind]);
    const groups = [
      { fails: true, names: after[kind].filter((name) => !known.has(name)) },
      { fails: false, names: after[kind].filter((name) => known.has(name)) },
    ];
    return groups
      .filter(({ names }) => names.length > 0)
      .map(({ fails, names }) => ({ check, fails, what: what(names.join(", ")), why, fix: fix(names[0]!) }));
  });
}
