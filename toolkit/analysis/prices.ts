import type { Queryable } from "../queryable.ts";

/**
 * What all prices are read from, as SQL names it. Where old prices may be packed that is the view of both; a history
 * read from price_history alone would begin in the middle.
 */
export async function allPrices(client: Queryable): Promise<string> {
  const { rows } = await client.query("select to_regclass('packed.price_history') is not null as packable");
  return rows[0].packable ? "packed.price_history" : "price_history";
}
