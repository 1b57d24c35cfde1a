import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { refreshViews } from "../../../toolkit/analysis/views.ts";
import { connect } from "../../../toolkit/connection.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { type Day, loadSp500, loadStocks, sp500 } from "./sample.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase({ template: "head" });
  await loadSp500(database.connection);
  await loadStocks(database.connection);
  await database.client.query(`
    insert into sectors (name) values ('Index');
    update stocks set sector_id = 1 where symbol = 'SP500'`);
  await refreshViews(database.client);
}, 60_000);
afterAll(() => database.drop());

/** The Monday of a date's week. */
function monday(date: string): string {
  const day = new Date(`${date}T00:00:00Z`);
  day.setUTCDate(day.getUTCDate() - ((day.getUTCDay() + 6) % 7));
  return day.toISOString().slice(0, 10);
}

test("the weeks of the S&P 500 are those that its days make", async () => {
  const weeks = [...Map.groupBy(sp500(), ({ date }) => monday(date))];
  const expected = weeks.map(([week, days], index) => {
    const before = weeks[index - 1]?.[1].at(-1);
    return {
      week,
      days: days.length,
      open: days[0]!.open,
      high: Math.max(...days.map(({ high, close }) => Math.max(high, close))),
      low: Math.min(...days.map(({ low, close }) => Math.min(low, close))),
      close: days.at(-1)!.close,
      volume: days.reduce((sum, { volume }) => sum + volume, 0),
      return: before ? days.at(-1)!.close / before.close - 1 : null,
    };
  });
  const { rows } = await database.client.query(
    `select week::text, days, open::float8, high::float8, low::float8, close::float8, volume::float8, w.return
     from weekly_price_summary w join stocks s on s.id = stock_id where symbol = 'SP500' order by w.week`,
  );
  expect(rows.map(rounded)).toEqual(expected.map(rounded));
  expect(rows.length).toBeGreaterThan(1000);
});

const rounded = <Row extends { return: number | null }>(row: Row) => ({
  ...row,
  return: row.return === null ? null : Number(row.return.toFixed(12)),
});

test("a day's summary counts who rose and fell since the price before, by sector and over all", async () => {
  const { rows } = await database.client.query(
    `select sector, stocks, advancers, decliners, unchanged, average_return, volume::float8
     from daily_market_summary where date = '2000-02-01' order by sector`,
  );
  const days = sp500();
  const index = days.findIndex(({ date }) => date === "2000-02-01");
  const [before, day] = [days[index - 1], days[index]] as [Day, Day];
  const only = { advancers: 1, decliners: 0, unchanged: 0, average_return: day.close / before.close - 1 };
  // Four stocks have monthly prices only: they are there, and have no daily return.
  expect(rows).toEqual([
    { sector: "All", stocks: 5, ...only, volume: day.volume },
    { sector: "Index", stocks: 1, ...only, volume: day.volume },
    { sector: "Unclassified", stocks: 4, advancers: 0, decliners: 0, unchanged: 0, average_return: null, volume: null },
  ]);
});

test("over all days, as many rose and fell as in the file", async () => {
  const days = sp500();
  const moves = days.slice(1).map(({ close }, index) => Math.sign(close - days[index]!.close));
  const { rows } = await database.client.query(
    `select sum(advancers)::int as up, sum(decliners)::int as down, sum(unchanged)::int as same
     from daily_market_summary where sector = 'Index'`,
  );
  const number = (sign: number) => moves.filter((move) => move === sign).length;
  expect(rows).toEqual([{ up: number(1), down: number(-1), same: number(0) }]);
});

test("a refresh brings new prices, and waits for no reader", async () => {
  const reader = await connect(database.connection);
  const seen = async (session = database.client) =>
    (await session.query("select max(date)::text as last from daily_market_summary")).rows[0].last;
  try {
    await reader.query("begin isolation level repeatable read");
    expect(await seen(reader)).toBe("2020-04-17");
    await database.client.query(`
      select ensure_partitions('price_history', '2020-05-01', '2020-05-01');
      insert into price_history (stock_id, date, close) select id, '2020-05-01', 1 from stocks where symbol = 'SP500'`);
    await database.client.query("set lock_timeout = '3s'");
    await refreshViews(database.client);
    expect(await seen()).toBe("2020-05-01");
    expect(await seen(reader)).toBe("2020-04-17");
  } finally {
    await reader.end();
  }
});
