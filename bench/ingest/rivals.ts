import { type Connection, withClient } from "../../toolkit/connection.ts";
import type { Price } from "./prices.ts";

const columns = ["stockId", "date", "open", "high", "low", "close", "adjustedClose", "volume"] as const;

/** How an application stores prices. */
interface Way {
  perStatement: number;
  /** Prices may be there already. */
  overwrites: boolean;
}

/**
 * INSERT as an application sends it: so many rows a statement, each statement a transaction of its own. The partitions
 * that are missing are made first.
 * @returns how many rows
 */
export async function insertPrices(connection: Connection, prices: readonly Price[], way: Way): Promise<number> {
  const { perStatement } = way;
  await withClient(connection, {}, async (client) => {
    await client.query("select ensure_partitions('price_history', $1, $2)", [prices[0]!.date, prices.at(-1)!.date]);
    const full = insertStatement(perStatement, way);
    for (let start = 0; start < prices.length; start += perStatement) {
      const part = prices.slice(start, start + perStatement);
      await client.query(
        part.length === perStatement ? full : insertStatement(part.length, way),
        part.flatMap((price) => columns.map((column) => price[column])),
      );
    }
  });
  return prices.length;
}

function insertStatement(rows: number, { overwrites }: Way): string {
  const tuples = Array.from(
    { length: rows },
    (_, row) => `(${columns.map((_, column) => `$${row * columns.length + column + 1}`).join(", ")})`,
  );
  return `insert into price_history (stock_id, date, open, high, low, close, adjusted_close, volume)
    values ${tuples.join(", ")}
    ${
      overwrites
        ? `on conflict (stock_id, date) do update
           set open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
               adjusted_close = excluded.adjusted_close, volume = excluded.volume`
        : ""
    }`;
}
