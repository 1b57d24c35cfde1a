import type { Queryable } from "../queryable.ts";
import { type Tier, tiers } from "./tiers.ts";

// What is kept in memory for one statement, after the recorder was away.
const most = "1 day";
// The recorder is at a sample that it began before the end of its five minutes.
const settled = "1 minute";

/** Makes the coarser samples of the finer ones, as far as their time is over. Safe to run at any time, by several. */
export async function rollUp(client: Queryable): Promise<void> {
  for (const [index, tier] of tiers.entries()) {
    if (index === 0) continue;
    while (await rollSome(client, tiers[index - 1]!, tier));
  }
}

/**
 * One transaction: samples, and until when there are any. Of a counter the last value is kept; of other numbers the mean
 * and the largest.
 * @returns whether there may be more
 */
async function rollSome(client: Queryable, fine: Tier, coarse: Tier): Promise<boolean> {
  await client.query("begin; set local timezone = 'UTC'");
  try {
    // The row's lock makes a second one wait, and find the work done.
    const { rows } = await client.query<{ from: Date | null; to: Date; more: boolean }>(
      `with policy as materialized (
         select step, rolled_until from monitoring.policy where tier = $1 for update
       ),
       bounds as (
         select step, rolled_until,
                date_bin(step, least(now() - $2::interval,
                                     (select coalesce(max(rolled_until), 'infinity') from monitoring.policy where tier = $3)),
                         timestamptz '2000-01-01') as ends,
                (select date_bin(step, min(taken_at) - interval '1 microsecond', timestamptz '2000-01-01')
                 from monitoring.${fine.table} where taken_at > coalesce(rolled_until, '-infinity')) as begins
         from policy
       )
       select begins as "from",
              case when begins < ends
                   then least(ends, date_bin(step, begins + $4::interval, timestamptz '2000-01-01')) else ends end as "to",
              coalesce(begins + $4::interval < ends, false) as more
       from bounds where rolled_until is null or rolled_until < ends`,
      [coarse.table, settled, fine.table, most],
    );
    const [bounds] = rows;
    if (bounds) {
      if (bounds.from && bounds.from < bounds.to)
        await client.query(aggregate(fine.table, coarse.table), [bounds.from, bounds.to, coarse.step]);
      await client.query("update monitoring.policy set rolled_until = $2 where tier = $1", [coarse.table, bounds.to]);
    }
    await client.query("commit");
    return bounds?.more ?? false;
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}

// A sample is labelled with the end of its time, so that a counter's value is the one at its label.
const aggregate = (fine: string, coarse: string) => `
  insert into monitoring.${coarse} (taken_at, series, value, most)
  select ends, array_agg(id order by id), array_agg(value order by id), array_agg(most order by id)
  from (
    select b.ends, s.id,
           case when s.counter then (array_agg(u.value order by f.taken_at desc))[1] else avg(u.value) end as value,
           case when not s.counter then max(coalesce(u.most, u.value)) end as most
    from monitoring.${fine} f
    cross join lateral unnest(f.series, f.value, f.most) as u (id, value, most)
    cross join lateral (
      select date_bin($3::interval, f.taken_at - interval '1 microsecond', timestamptz '2000-01-01') + $3::interval as ends
    ) b
    join monitoring.series s on s.id = u.id
    where f.taken_at > $1 and f.taken_at <= $2
    group by b.ends, s.id, s.counter
  ) as one
  group by ends`;
