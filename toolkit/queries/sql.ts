import { UserError } from "../errors.ts";

/** Pieces of SQL that several queries share. */

/**
 * Every price, plain or packed (migration 0024). A condition that comes from another table reaches both halves of this
 * view only from a lateral subquery that cannot be pulled up: end it with OFFSET 0, or a LIMIT.
 */
export const prices = "packed.price_history";

/** The packed prices alone. */
export const packedPrices = "packed.price_history_packed";

const price = "coalesce(adjusted_close, close)::float8 as price, volume::float8 as volume";

/**
 * The last price of the stock `s` that is not after a day. Partitions are read from the newest back and reading stops at
 * the first price, so that a listed stock costs one or two of them, of however many there are; a delisted stock begins
 * at its last day. Packed days are only looked at where they are later than that: for a stock whose prices ended long
 * ago. One without its last day costs a look at each day that is packed.
 * @param asOf an expression of the type date; tomorrow when it is null, for the exchange may be a day ahead of the server
 */
export const latestPrice = (asOf: string) => `
    with plain as (
      select date, ${price}
      from price_history
      where stock_id = s.id and date <= least(coalesce(${asOf}, current_date + 1), s.delisted_on)
      order by date desc
      limit 1
    )
    select date, price, volume from plain
    union all
    (select date, ${price}
     from ${packedPrices}
     where stock_id = s.id and date <= least(coalesce(${asOf}, current_date + 1), s.delisted_on)
       and date > coalesce((select date from plain), '-infinity')
     order by date desc
     limit 1)
    order by date desc
    limit 1`;

/** A date as YYYY-MM-DD, whatever the session's DateStyle: pg would make it midnight of the client's time zone. */
export const isoDate = (expression: string) => `to_char(${expression}, 'YYYY-MM-DD')`;

/** The two parts of a place among rows that are ordered by a number and then by an id. */
export function readPlace(after: string | undefined, query: string): [number | null, string | null] {
  if (after === undefined) return [null, null];
  const [, value, id] = /^(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?):(\d{1,18})$/i.exec(after) ?? [];
  if (value !== undefined && id !== undefined) return [Number(value), id];
  throw new UserError(`the option after of the query ${query} ${JSON.stringify(after)} is not accepted`, {
    fix: "Give what the page before returned as its next.",
    exitCode: 2,
  });
}
