import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { type Connection, withClient } from "../../toolkit/connection.ts";
import type { Market, Price } from "./prices.ts";

/** What there is before prices are stored. */
export interface Situation {
  name: string;
  /** SQL that fills price_history before, from the tables given and others; nothing where its months are missing. */
  before?: string;
  /** Prices may be there already. */
  overwrites: boolean;
}

const all = "stock_id, date, open, high, low, close, adjusted_close, volume";

export const situations: Situation[] = [
  { name: "new months", overwrites: false },
  {
    name: "new stocks in these months",
    before: `insert into price_history (${all}) select ${all} from others order by stock_id, date`,
    overwrites: false,
  },
  {
    name: "every price corrected",
    before: `insert into price_history (${all})
             select stock_id, date, open, high, low, close + 1, adjusted_close, volume from given order by stock_id, date`,
    overwrites: true,
  },
];

/** Makes a database at head a situation's, with what checks the result: the rows that are given, and those before. */
export async function makeSituation(connection: Connection, market: Market, { before }: Situation): Promise<void> {
  await withClient(connection, {}, async (client) => {
    const symbols = [...new Map([...market.prices, ...market.others].map(({ stockId, symbol }) => [stockId, symbol]))];
    await client.query(
      "insert into stocks (id, symbol, name) select id, symbol, symbol from unnest($1::int[], $2::text[]) as s (id, symbol)",
      [symbols.map(([id]) => id), symbols.map(([, symbol]) => symbol)],
    );
    await client.query("select setval('stocks_id_seq', max(id)) from stocks");
    await client.query("create table given (like price_history); create table others (like price_history)");
    await copyPrices(client, "given", market.prices);
    await copyPrices(client, "others", market.others);
    if (before) {
      await client.query("select ensure_partitions('price_history', min(date), max(date)) from given");
      await client.query(before);
    } else {
      await client.query(dropPartitions);
    }
    await client.query("create table before as table price_history; drop table others");
    await client.query("vacuum analyze");
  });
}

// The migrations make those of this month and of the next.
const dropPartitions = `
  do $$
  declare
    name text;
  begin
    for name in select partition::text from partition_bounds('price_history') loop
      execute 'drop table ' || name;
    end loop;
  end
  $$`;

async function copyPrices(client: pg.Client, table: string, prices: readonly Price[]): Promise<void> {
  function* lines(): Generator<string> {
    for (const { stockId, date, open, high, low, close, adjustedClose, volume } of prices)
      yield `${[stockId, date, open, high, low, close, adjustedClose, volume].join("\t")}\n`;
  }
  await pipeline(Readable.from(lines()), client.query(copyFrom(`copy ${table} (${all}) from stdin`)));
}
