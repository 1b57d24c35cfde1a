import pg from "pg";
import type { Queryable } from "../queryable.ts";

// Long enough for a backup, whose transaction keeps the tables locked, over a weekend.
const daysAhead = 4;
// Only readers of the history wait for us, and we for them.
const lockTimeout = 1_000;

/** Makes the partitions of today and the next days where they are missing. */
export async function makeDays(client: Queryable): Promise<string[]> {
  const { rows } = await client.query<{ parent: string; name: string; from: string; to: string }>(
    `select p.tier as parent, n.name, to_char(d.day, 'YYYY-MM-DD"+00"') as "from",
            to_char(d.day + d.length, 'YYYY-MM-DD"+00"') as "to"
     from monitoring.policy p
     cross join lateral (
       select day, ('1 ' || p.partition)::interval as length
       from generate_series(date_trunc(p.partition, now() at time zone 'UTC'),
                            (now() at time zone 'UTC') + $1 * interval '1 day', ('1 ' || p.partition)::interval) as day
     ) d
     cross join lateral (
       select p.tier || to_char(d.day, case p.partition when 'day' then '_YYYY_MM_DD' else '_YYYY_MM' end) as name
     ) n
     where to_regclass(format('monitoring.%I', n.name)) is null
     order by d.day`,
    [daysAhead],
  );
  for (const { parent, name, from, to } of rows)
    await alone(
      client,
      `create table monitoring.${pg.escapeIdentifier(name)} partition of monitoring.${pg.escapeIdentifier(parent)}
         for values from (${pg.escapeLiteral(from)}) to (${pg.escapeLiteral(to)})`,
    );
  return rows.map(({ name }) => name);
}

/** A partition of the history. */
export interface Day {
  tier: string;
  name: string;
}

/**
 * Partitions that are older than their tier is kept. One that the next tier does not hold yet is none of them.
 * @param keep how long, by tier, in place of the table's word
 */
export async function expiredDays(client: Queryable, keep: Record<string, string>): Promise<Day[]> {
  const { rows } = await client.query<Day>(
    `with kept as (
       select tier, coalesce(($1::jsonb ->> tier)::interval, keep) as keep,
              lead(rolled_until, 1, 'infinity') over (order by step nulls first) as held_until
       from monitoring.policy
     )
     select k.tier, c.relname as name
     from kept k
     join pg_inherits i on i.inhparent = to_regclass(format('monitoring.%I', k.tier))
     join pg_class c on c.oid = i.inhrelid
     cross join lateral (
       select substring(pg_get_expr(c.relpartbound, c.oid) from 'TO \\(''([^'']+)''\\)')::timestamptz as ends
     ) b
     where b.ends <= now() - k.keep and b.ends <= k.held_until
     order by b.ends`,
    [JSON.stringify(keep)],
  );
  return rows;
}

/** Drops a partition; false when somebody reads the history, and it has to wait. */
export async function dropDay(client: Queryable, { name }: Day): Promise<boolean> {
  try {
    await alone(client, `drop table monitoring.${pg.escapeIdentifier(name)}`);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "55P03") return false;
    throw error;
  }
}

/** Runs a statement that takes strong locks in a transaction of its own, which waits for nobody for long. */
async function alone(client: Queryable, statement: string): Promise<void> {
  try {
    await client.query(`begin; set local lock_timeout to ${lockTimeout}; ${statement}; commit`);
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}
