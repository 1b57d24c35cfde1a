import type { Queryable } from "../queryable.ts";
import type { Given } from "./options.ts";
import { defineQuery, runQuery } from "./query.ts";

/** The last known rate limit of a provider. */
export interface RateLimit {
  provider: string;
  limit: number;
  remaining: number | null;
  resetsAt: Date | null;
  /** When the provider told so. */
  toldAt: Date;
  /** Whether a call now would be refused. */
  exhausted: boolean;
}

/**
 * The last known rate limit of every provider. Relies on api_usage_rate_limit_idx, in which it jumps from one provider to
 * the next (a loose index scan): its cost grows with the number of providers, not of calls.
 * @see https://wiki.postgresql.org/wiki/Loose_indexscan
 */
export const rateLimits = defineQuery<RateLimit>()({
  name: "rate-limits",
  summary: "the last known rate limit of every API provider",
  options: {},
  tables: ["api_usage"],
  sample: "select from api_usage limit 1",
  expectation: { indexes: ["api_usage_rate_limit_idx"], partitions: 0, buffers: 200 },
  statement: () => ({
    text: `
  with recursive providers as (
    (select provider from api_usage where rate_limit is not null order by provider limit 1)
    union all
    select (select provider from api_usage
            where rate_limit is not null and provider > p.provider order by provider limit 1)
    from providers p
    where p.provider is not null
  )
  select p.provider, u.rate_limit as "limit", u.rate_limit_remaining as remaining,
         u.rate_limit_resets_at as "resetsAt", u.called_at as "toldAt",
         coalesce(u.rate_limit_remaining <= 0 and u.rate_limit_resets_at > now(), false) as exhausted
  from providers p
  cross join lateral (
    select * from api_usage
    where rate_limit is not null and provider = p.provider
    order by called_at desc
    limit 1
  ) u
  order by p.provider`,
    values: [],
  }),
});

/** Asks {@link rateLimits}. */
export const getRateLimits = (db: Queryable, options: Given<typeof rateLimits.options> = {}) =>
  runQuery(db, rateLimits, options);
