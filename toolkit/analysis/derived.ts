import type pg from "pg";
import { count } from "../terminal.ts";
import { computeIndicators } from "./indicators.ts";
import { refreshViews } from "./views.ts";

/**
 * Brings what is derived from prices in line with them: the indicators of the stocks named, then the views.
 * @param say told what begins and what came of it: on a million prices it takes a minute
 * @returns false in a database whose schema has no indicators or views yet
 */
export async function deriveFromPrices(
  client: pg.ClientBase,
  stocks: string[],
  say: (line: string) => void,
): Promise<boolean> {
  const { rows } = await client.query(
    `select to_regprocedure('ema(double precision, integer)') is not null
            and to_regclass('weekly_price_summary') is not null as present`,
  );
  if (!rows[0].present) return false;
  say(`computing the indicators of ${stocks.length === 1 ? stocks[0] : `${count(stocks.length)} stocks`}`);
  say(`indicators: ${count(await computeIndicators(client, { stocks }))} rows written; refreshing the views`);
  await refreshViews(client);
  return true;
}
