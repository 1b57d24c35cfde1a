import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { computeIndicators } from "../../../toolkit/analysis/indicators.ts";
import { answerQuestions } from "../../../toolkit/analysis/questions.ts";
import { connectionString } from "../../../toolkit/connection.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { loadSp500, loadStocks, sp500 } from "./sample.ts";

let database: TestDatabase;
const made: TestDatabase[] = [];

async function create(template: "empty" | "head"): Promise<TestDatabase> {
  const one = await createDatabase({ template });
  made.push(one);
  return one;
}

beforeAll(async () => {
  database = await create("head");
  await loadSp500(database.connection);
  await loadStocks(database.connection);
  await computeIndicators(database.client);
}, 60_000);
afterAll(() => Promise.all(made.map((one) => one.drop())));

/** Runs the toolkit as a user does. */
function toolkit(on: TestDatabase, ...args: string[]) {
  const env = { ...process.env, DATABASE_URL: connectionString(on.connection), NO_COLOR: "1" };
  const child = spawn(process.execPath, ["toolkit/cli.ts", ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  return Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]).then(
    ([stdout, stderr, [code]]) => ({ code, stdout, stderr }),
  );
}

// The facts behind the first two can be looked up: the S&P 500 gained 10.8 % in October 2011 and lost 16.9 % in
// October 2008; Apple stood at 33.95 in March 2000, at 7.07 in March 2003, and went from 25.94 to 223.02 in all.
const answers = [
  {
    question: "What were the best and the worst month of the stock with the longest history?",
    answer: "SP500: best October 2011 with +10.8 %, worst October 2008 with -16.9 %.",
  },
  {
    question: "Which stock had the highest return, and what was its largest drawdown on the way?",
    answer: "AAPL: +759.8 % from January 2000 to March 2010, with a drawdown of -79.2 % from March 2000 to March 2003.",
  },
  {
    question: "What followed within 20 trading days when the RSI fell below 30?",
    answer:
      "SP500: of 55 falls since 2000, 39 were followed by a higher price, +2.3 % on average; " +
      "any 20 trading days brought +0.4 %.",
  },
];

test("analysis prints the questions and their answers", async () => {
  const { code, stdout, stderr } = await toolkit(database, "analysis");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toBe(answers.map(({ question, answer }) => `${question}\n  ${answer}\n`).join(""));
});

test("analysis --json prints the same as data", async () => {
  const { code, stdout } = await toolkit(database, "analysis", "--json");
  expect([code, JSON.parse(stdout)]).toEqual([0, answers]);
});

test("what followed a low RSI is what the file says, counted without the database", async () => {
  const prices = sp500().map(({ close }) => close);
  const rsi: (number | undefined)[] = [];
  let [up, down] = [0, 0];
  for (let index = 1; index < prices.length; index++) {
    const move = prices[index]! - prices[index - 1]!;
    const weight = index <= 14 ? 1 : 13;
    up = (up * weight + Math.max(move, 0)) / (index <= 14 ? 1 : 14);
    down = (down * weight + Math.max(-move, 0)) / (index <= 14 ? 1 : 14);
    if (index === 14) [up, down] = [up / 14, down / 14];
    if (index >= 14) rsi[index] = 100 - 100 / (1 + up / down);
  }
  const later = prices.slice(0, -20).map((price, index) => prices[index + 20]! / price - 1);
  const falls = later.filter((_, index) => (rsi[index] ?? 99) < 30 && (rsi[index - 1] ?? 0) >= 30);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const percent = (share: number) => `+${(share * 100).toFixed(1)} %`;
  expect(answers[2]!.answer).toBe(
    `SP500: of ${falls.length} falls since 2000, ${falls.filter((one) => one > 0).length} were followed by a higher ` +
      `price, ${percent(mean(falls))} on average; any 20 trading days brought ${percent(mean(later))}.`,
  );
});

test("a month that is not over does not count as the best", async () => {
  // Until the 17th, April 2020 had gained 11.2 %.
  const days = sp500();
  const [march, april] = [days.findLast(({ date }) => date < "2020-04-01")!, days.at(-1)!];
  expect(april.close / march.close - 1).toBeGreaterThan(0.11);
  expect((await answerQuestions(database.client))[0]).toEqual(answers[0]);
});

test("few prices get an answer that says so", async () => {
  const { connection, client } = await create("head");
  await client.query(`
    insert into stocks (symbol, name) values ('ONE', 'One price');
    select ensure_partitions('price_history', '2020-01-01', '2020-01-31');
    insert into price_history (stock_id, date, close) values (1, '2020-01-02', 5)`);
  expect((await answerQuestions(client)).map(({ answer }) => answer)).toEqual([
    "No stock has prices in two months that follow each other.",
    "No stock has two prices.",
    "No stock has daily prices with indicators computed.",
  ]);
  await loadSp500(connection);
  expect((await answerQuestions(client))[2]!.answer).toBe("No stock has daily prices with indicators computed.");
});

test("a database without prices, or without tables, gets one message with what to do", async () => {
  expect(await toolkit(await create("head"), "analysis")).toEqual({
    code: 1,
    stdout: "",
    stderr: "error: there are no prices to report on\n  fix: Load some: `npm run load -- FILE.csv`.\n",
  });
  expect(await toolkit(await create("empty"), "analysis")).toEqual({
    code: 1,
    stdout: "",
    stderr:
      "error: the database has no tables price_history and technical_indicators\n" +
      "  why: The migrations have not been applied to it.\n" +
      "  fix: Run `npm run up` first, or name the right database.\n",
  });
});

test("analysis explains itself, and refuses what it does not know", async () => {
  const help = await toolkit(database, "analysis", "--help");
  expect(help).toMatchObject({ code: 0, stdout: "" });
  expect(help.stderr).toMatch(/^usage: toolkit analysis \[--json\]\n/);
  for (const { question } of answers) expect(help.stderr).toContain(question);
  expect(await toolkit(database, "analysis", "--jason")).toMatchObject({ code: 2, stdout: "" });
});
