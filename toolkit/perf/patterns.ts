import type pg from "pg";
import { rateLimits } from "../queries/rateLimits.ts";
import { latestPrice } from "../queries/sql.ts";

type Values = Record<string, unknown>;
type Ask = (client: pg.ClientBase, values: Values) => Promise<object[]>;

/** One way of asking, and the way that comes to mind first. Both give the same rows. */
export interface Pattern {
  name: string;
  /** What the naive form does. */
  naively: string;
  tables: readonly string[];
  /** Gives what is asked for, as the columns of one row; where it gives none, there is nothing to ask for. */
  sample: string;
  optimised: Ask;
  naive: Ask;
}

/** A statement whose parameters are some of the sampled values. */
function statement(text: string, ...names: string[]): Ask {
  return async (client, values) =>
    (
      await client.query(
        text,
        names.map((name) => values[name]),
      )
    ).rows;
}

const page = 50;

/** The patterns of toolkit/queries that can be told apart by reading alone. */
export const patterns: readonly Pattern[] = [
  {
    name: "one statement for many stocks",
    naively: "a statement for each stock",
    tables: ["stocks", "price_history"],
    sample: `select array_agg(id order by id) as ids from (select id from stocks order by symbol limit ${page}) s having count(*) > 1`,
    optimised: statement(
      `select p.date::text, p.price
       from stocks s cross join lateral (${latestPrice("null::date")}) p where s.id = any ($1) order by s.id`,
      "ids",
    ),
    naive: async (client, { ids }) => {
      const rows: object[] = [];
      for (const id of ids as number[]) {
        const found = await client.query(
          `select p.date::text, p.price from stocks s cross join lateral (${latestPrice("null::date")}) p where s.id = $1`,
          [id],
        );
        rows.push(...found.rows);
      }
      return rows;
    },
  },
  {
    name: "pages by key",
    naively: "OFFSET to a deep page",
    tables: ["price_history"],
    sample: `
      select stock_id as stock, (array_agg(date::text order by date))[count(*) - ${page}] as after, count(*) - ${page} as skip
      from price_history
      where stock_id = (select stock_id from price_history limit 1)
      group by stock_id having count(*) > ${2 * page}`,
    optimised: statement(
      `select date::text, close from price_history where stock_id = $1 and date > $2 order by price_history.date limit ${page}`,
      "stock",
      "after",
    ),
    naive: statement(
      `select date::text, close from price_history where stock_id = $1 order by price_history.date limit ${page} offset $2`,
      "stock",
      "skip",
    ),
  },
  {
    name: "a range of the bare column",
    naively: "a function of the indexed column",
    tables: ["price_history"],
    sample: `
      select stock_id as stock, to_char(date, 'YYYY-MM') as month, date_trunc('month', date)::date::text as first
      from price_history limit 1`,
    optimised: statement(
      `select date::text, close from price_history
       where stock_id = $1 and date >= $2::date and date < $2::date + interval '1 month' order by price_history.date`,
      "stock",
      "first",
    ),
    naive: statement(
      `select date::text, close from price_history
       where stock_id = $1 and to_char(date, 'YYYY-MM') = $2 order by price_history.date`,
      "stock",
      "month",
    ),
  },
  {
    name: "a loose index scan",
    naively: "DISTINCT ON over every row",
    tables: ["api_usage"],
    sample: "select true as there from api_usage where rate_limit is not null limit 1",
    optimised: async (client) =>
      (await client.query(`select provider, "limit" from (${rateLimits.statement({}).text}) r order by provider`)).rows,
    naive: statement(
      `select distinct on (provider) provider, rate_limit as "limit" from api_usage
       where rate_limit is not null order by provider, called_at desc`,
    ),
  },
];
