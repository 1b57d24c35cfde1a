import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { connectionString } from "../../../toolkit/connection.ts";
import { queries } from "../../../toolkit/queries/index.ts";
import type { TestDatabase } from "../../support/database.ts";
import { pricesOf, smallMarket } from "./market.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await smallMarket();
}, 60_000);
afterAll(() => database?.drop());

/** Runs the toolkit as a user does. */
async function toolkit(...args: string[]) {
  const env = { ...process.env, DATABASE_URL: connectionString(database.connection), NO_COLOR: "1" };
  const child = spawn(process.execPath, ["toolkit/cli.ts", "query", ...args], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code, stdout, stderr };
}

test("query lists the queries, and asks one: as a table, as JSON, as a stream of JSON lines", async () => {
  const [list, table, page, stream] = await Promise.all([
    toolkit(),
    toolkit("latest-data", "--as-of", "2024-02-29", "--limit", "2"),
    toolkit("latest-data", "--json", "--stocks", "AAA,BBB"),
    toolkit("price-export", "--json", "--stocks", "CCC"),
  ]);
  expect(list).toMatchObject({ code: 0, stderr: "" });
  expect(list.stdout.trim().split("\n")).toEqual(queries.map(({ name, summary }) => `${name.padEnd(20)}  ${summary}`));
  expect(table).toMatchObject({ code: 0, stderr: "next page: --after 'BBB'\n" });
  expect(table.stdout.split("\n").map((line) => line.split(/\s{2,}/).slice(0, 3))).toEqual([
    ["symbol", "name", "sector"],
    ["AAA", "AAA Inc.", "Energy"],
    ["BBB", "BBB Inc.", "Energy"],
    [""],
  ]);
  expect(JSON.parse(page.stdout)).toMatchObject({ rows: [{ symbol: "AAA" }, { symbol: "BBB" }] });
  const lines = stream.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.map(({ date }) => date)).toEqual(pricesOf(3).map(({ date }) => date));
});

test("query explains itself, and refuses what there is not", async () => {
  const [help, unknown, wrong] = await Promise.all([
    toolkit("price-range", "--help"),
    toolkit("prices"),
    toolkit("price-range", "--stock", "AAA", "--window", "1"),
  ]);
  expect(help).toEqual({
    code: 0,
    stdout: "",
    stderr: `usage: toolkit query price-range [options]

a stock's prices between two days, with moving windows.

  --stock SYMBOL            its symbol
  --from YYYY-MM-DD         the first day (a year before the last)
  --to YYYY-MM-DD           the last day (today)
  --window N                prices in a window (20)
`,
  });
  expect(unknown).toEqual({
    code: 2,
    stdout: "",
    stderr: `error: there is no query "prices"\n  fix: Use one of ${queries.map(({ name }) => name).join(", ")}.\n`,
  });
  expect(wrong).toEqual({
    code: 2,
    stdout: "",
    stderr:
      'error: the option window of the query price-range "1" is not accepted\n  fix: Give a whole number from 2 to 250.\n',
  });
});
