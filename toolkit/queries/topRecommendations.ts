import type { Queryable } from "../queryable.ts";
import { decimal, type Given, oneOf, text, whole } from "./options.ts";
import { defineQuery, runQuery } from "./query.ts";
import { isoDate, latestPrice, readPlace } from "./sql.ts";

/** A recommendation with its stock's latest price. */
export interface Recommendation {
  /** As text: a bigint. */
  id: string;
  symbol: string;
  name: string;
  sector: string | null;
  action: string;
  /** From 0 to 1. */
  confidence: number;
  targetPrice: number | null;
  createdAt: Date;
  /** Day of the price, YYYY-MM-DD. */
  date: string | null;
  /** Latest adjusted close, or close, as a double. */
  price: number | null;
  /** From the price to the target: 0.1 is 10 %. */
  upside: number | null;
}

/**
 * The active recommendations of the highest confidence that have not expired, a page at a time. Relies on
 * recommendations_active_confidence_idx, whose order the pages follow, and on the key of price_history.
 */
export const topRecommendations = defineQuery<Recommendation>()({
  name: "top-recommendations",
  summary: "the active recommendations of the highest confidence, with price and sector",
  options: {
    action: oneOf(["buy", "hold", "sell"], { about: "only this action" }),
    minimumConfidence: decimal({ about: "from this confidence up, 0 to 1" }),
    after: text({ about: "the page after this place", placeholder: "PLACE" }),
    limit: whole({ about: "recommendations on a page", least: 1, most: 500, default: 20 }),
  },
  tables: ["recommendations", "stocks", "sectors", "price_history"],
  sample: "select 20 as limit from recommendations limit 1",
  expectation: {
    indexes: ["recommendations_active_confidence_idx", "price_history_pkey"],
    partitions: 24,
    buffers: 1_000,
  },
  statement: ({ action, minimumConfidence, after, limit }) => ({
    // Infinity stands for the place before the first, so that the index condition is there on every page.
    text: `
  select r.id, s.symbol, s.name, e.name as sector, r.action, r.confidence, r.target_price::float8 as "targetPrice",
         r.created_at as "createdAt", ${isoDate("p.date")} as date, p.price,
         r.target_price::float8 / nullif(p.price, 0) - 1 as upside
  from (
    select * from recommendations
    where is_active and confidence >= $2 and (confidence, id) < ($3::float8, $4::bigint)
      and (expires_at is null or expires_at > now())
      and ($1::text is null or lower(action) = $1)
    order by confidence desc, id desc
    limit $5
  ) r
  join stocks s on s.id = r.stock_id
  left join sectors e on e.id = s.sector_id
  left join lateral (${latestPrice("null::date")}
  ) p on true
  order by r.confidence desc, r.id desc`,
    values: [action, minimumConfidence ?? "-Infinity", ...place(after), limit],
  }),
  after: ({ confidence, id }) => `${confidence}:${id}`,
});

function place(after: string | undefined): [number | string, string] {
  const [confidence, id] = readPlace(after, "top-recommendations");
  return [confidence ?? "Infinity", id ?? "0"];
}

/** Asks {@link topRecommendations}. */
export const getTopRecommendations = (db: Queryable, options: Given<typeof topRecommendations.options> = {}) =>
  runQuery(db, topRecommendations, options);
