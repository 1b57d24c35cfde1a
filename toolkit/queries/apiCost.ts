import type { Queryable } from "../queryable.ts";
import { type Given, whole } from "./options.ts";
import { defineQuery, runQuery } from "./query.ts";
import { isoDate } from "./sql.ts";

/** What the calls of a provider cost on a day. */
export interface ApiCost {
  /** Day in UTC, YYYY-MM-DD. */
  day: string;
  provider: string;
  calls: number;
  /** As a double, in the currency of api_usage.cost: to show, not to keep books with. */
  cost: number;
  tokens: number;
  /** From the first day shown to this one. */
  costSoFar: number;
}

/**
 * The cost of API calls by day and provider. Relies on api_usage_called_at_cost_idx, which holds all that is asked for:
 * the table itself is only read for rows that vacuum has not seen. Its cost grows with the calls of those days.
 */
export const apiCost = defineQuery<ApiCost>()({
  name: "api-cost",
  summary: "the cost of API calls by day and provider",
  options: {
    days: whole({ about: "days up to today", least: 1, most: 366, default: 30 }),
  },
  tables: ["api_usage"],
  sample: "select 7 as days from api_usage limit 1",
  expectation: { indexes: ["api_usage_called_at_cost_idx"], partitions: 0, buffers: 2_000 },
  statement: ({ days }) => ({
    text: `
  with days as (
    select (called_at at time zone 'UTC')::date as day, provider, count(*)::int as calls,
           sum(cost)::float8 as cost, coalesce(sum(tokens), 0)::float8 as tokens
    from api_usage
    where called_at >= (date_trunc('day', now() at time zone 'UTC') - ($1::int - 1) * interval '1 day') at time zone 'UTC'
    group by 1, provider
  )
  select ${isoDate("day")} as day, provider, calls, cost, tokens,
         sum(cost) over (partition by provider order by days.day) as "costSoFar"
  from days
  order by days.day, provider`,
    values: [days],
  }),
});

/** Asks {@link apiCost}. */
export const getApiCost = (db: Queryable, options: Given<typeof apiCost.options> = {}) =>
  runQuery(db, apiCost, options);
