import type pg from "pg";
import { UserError } from "../errors.ts";
import { allPrices } from "./prices.ts";

/** A question and its answer, in one sentence. */
export interface Answer {
  question: string;
  answer: string;
}

interface Question<Row extends pg.QueryResultRow> {
  question: string;
  /** Gives one row, or none where the prices do not suffice; gets what all prices are read from. */
  sql: (prices: string) => string;
  answer(row: Row): string;
  /** What to say where there is no row. */
  unanswered: string;
}

/** Keeps the type of a question's row between its statement and its answer. */
const ask = <Row extends pg.QueryResultRow>(question: Question<Row>): Question<pg.QueryResultRow> =>
  question as unknown as Question<pg.QueryResultRow>;

/**
 * What an analyst asks first. Prices are adjusted closes where there are any, so that splits and dividends are no
 * moves. The stock with the most prices speaks for the market: with the sample data that is the S&P 500.
 */
export const questions = [
  ask<{ name: string; best: string; best_return: number; worst: string; worst_return: number }>({
    question: "What were the best and the worst month of the stock with the longest history?",
    // A month counts when the month before it has prices too, and when it is over: its last price is at most three
    // days, a weekend and a holiday, from its end, or prices of a later month follow.
    sql: (prices) => `
      with longest as (
        select stock_id from ${prices} group by stock_id order by count(*) desc, stock_id limit 1
      ),
      months as (
        select date_trunc('month', date::timestamp)::date as month, max(date) as last_date,
               (array_agg(coalesce(adjusted_close, close)::float8 order by date desc))[1] as price
        from ${prices}
        where stock_id = (select stock_id from longest)
        group by 1
      ),
      returns as (
        select month, price / nullif(lag(price) over by_month, 0) - 1 as return,
               lag(month) over by_month = month - interval '1 month' as follows,
               lead(month) over by_month is not null or last_date >= month + interval '1 month' - interval '4 days' as over
        from months
        window by_month as (order by month)
      ),
      complete as (select month, return from returns where follows and over and return is not null)
      select s.name,
             to_char(best.month, 'FMMonth YYYY') as best, best.return as best_return,
             to_char(worst.month, 'FMMonth YYYY') as worst, worst.return as worst_return
      from longest
      join stocks s on s.id = longest.stock_id
      cross join lateral (select * from complete order by return desc, month limit 1) as best
      cross join lateral (select * from complete order by return, month limit 1) as worst`,
    answer: (row) =>
      `${row.name}: best ${row.best} with ${percent(row.best_return)}, worst ${row.worst} with ${percent(row.worst_return)}.`,
    unanswered: "No stock has prices in two months that follow each other.",
  }),

  ask<{ name: string; from: string; to: string; return: number; drawdown: number; peak: string; trough: string }>({
    question: "Which stock had the highest return, and what was its largest drawdown on the way?",
    sql: (prices) => `
      with prices as (
        select stock_id, date, coalesce(adjusted_close, close)::float8 as price
        from ${prices}
        where coalesce(adjusted_close, close) > 0
      ),
      returns as (
        select stock_id, min(date) as first_date, max(date) as last_date,
               (array_agg(price order by date desc))[1] / (array_agg(price order by date))[1] - 1 as return
        from prices
        group by stock_id
        having count(*) > 1
      ),
      winner as (select * from returns order by return desc, stock_id limit 1),
      falls as (
        select date, price, max(price) over (order by date) as peak
        from prices
        where stock_id = (select stock_id from winner)
      ),
      deepest as (select *, price / peak - 1 as drawdown from falls order by price / peak, date limit 1)
      select s.name, to_char(first_date, 'FMMonth YYYY') as from, to_char(last_date, 'FMMonth YYYY') as to, w.return,
             d.drawdown, to_char(d.date, 'FMMonth YYYY') as trough,
             (select to_char(max(f.date), 'FMMonth YYYY') from falls f
              where f.price = d.peak and f.date <= d.date) as peak
      from winner w
      join stocks s on s.id = w.stock_id
      cross join deepest d`,
    answer: (row) =>
      `${row.name}: ${percent(row.return)} from ${row.from} to ${row.to}` +
      (row.drawdown < 0
        ? `, with a drawdown of ${percent(row.drawdown)} from ${row.peak} to ${row.trough}.`
        : ", without a drawdown."),
    unanswered: "No stock has two prices.",
  }),

  ask<{ name: string; times: number; since: number; risen: number; average: number; usual: number }>({
    question: "What followed within 20 trading days when the RSI fell below 30?",
    // Only a daily series has trading days: its prices are less than two days apart on average (5 a week make 1.4).
    // The first day of each spell below 30 counts, so that one long fall is not counted many times.
    sql: (prices) => `
      with longest as (
        select stock_id from ${prices}
        group by stock_id
        having count(*) > 20 and (max(date) - min(date))::float8 / count(*) < 2
        order by count(*) desc, stock_id
        limit 1
      ),
      days as (
        select p.date, t.rsi_14, lag(t.rsi_14) over by_date as rsi_before,
               lead(coalesce(p.adjusted_close, p.close), 20) over by_date::float8
                 / nullif(coalesce(p.adjusted_close, p.close), 0)::float8 - 1 as return
        from ${prices} p
        left join technical_indicators t on t.stock_id = p.stock_id and t.date = p.date
        where p.stock_id = (select stock_id from longest)
        window by_date as (order by p.date)
      )
      select s.name, extract(year from min(date))::int as since,
             (count(*) filter (where fell))::int as times,
             (count(*) filter (where fell and return > 0))::int as risen,
             avg(return) filter (where fell) as average,
             avg(return) as usual
      from longest
      join stocks s on s.id = longest.stock_id
      cross join (select *, rsi_14 < 30 and rsi_before >= 30 as fell from days where return is not null) as days
      group by s.name
      having count(rsi_14) > 0`,
    answer: (row) =>
      row.times === 0
        ? `${row.name}: its RSI never fell below 30 since ${row.since}.`
        : `${row.name}: of ${row.times} falls since ${row.since}, ${row.risen} were followed by a higher price, ` +
          `${percent(row.average)} on average; any 20 trading days brought ${percent(row.usual)}.`,
    unanswered: "No stock has daily prices with indicators computed.",
  }),
];

/**
 * Asks all questions.
 * @throws UserError when there are no prices, or no tables for them
 */
export async function answerQuestions(client: pg.ClientBase): Promise<Answer[]> {
  const prices = await requirePrices(client);
  const answers: Answer[] = [];
  for (const { question, sql, answer, unanswered } of questions) {
    const { rows } = await client.query(sql(prices));
    answers.push({ question, answer: rows[0] ? answer(rows[0]) : unanswered });
  }
  return answers;
}

/** @returns what they are read from */
async function requirePrices(client: pg.ClientBase): Promise<string> {
  const { rows: tables } = await client.query(
    "select to_regclass('price_history') is not null and to_regclass('technical_indicators') is not null as present",
  );
  if (!tables[0].present)
    throw new UserError("the database has no tables price_history and technical_indicators", {
      why: "The migrations have not been applied to it.",
      fix: "Run `npm run up` first, or name the right database.",
    });
  const prices = await allPrices(client);
  const { rows } = await client.query(`select exists (select from ${prices}) as present`);
  if (!rows[0].present)
    throw new UserError("there are no prices to report on", {
      fix: "Load some: `npm run load -- FILE.csv`.",
    });
  return prices;
}

/** A share as a person writes it: 0.0123 is +1.2 %. */
function percent(share: number): string {
  const text = (share * 100).toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  return `${share > 0 ? "+" : ""}${text} %`;
}
