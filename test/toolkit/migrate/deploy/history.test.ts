import { expect, test } from "@jest/globals";
import { command } from "../../../../toolkit/migrate/commands/history.ts";
import { failure, makeDatabase, sql } from "../support.ts";
import { captureOutput, deployed } from "./support.ts";

const output = captureOutput();

/** A database with a history: a first run, and one that failed and went back. */
async function withHistory() {
  const deployment = await deployed({
    "0001_stocks.sql": sql("create table stocks (id int); insert into stocks values (1), (2)", "drop table stocks"),
  });
  await deployment.folder.write({
    "0002_more.sql": sql("create table more ()", "drop table more"),
    "0003_bad.sql": sql("select nowhere"),
  });
  await failure(deployment.up());
  return deployment;
}

test("the history is printed as a table, the latest step last", async () => {
  const { connection } = await withHistory();
  expect(await command([], connection)).toBe(0);
  const lines = output.stdout.trimEnd().split("\n");
  expect(lines[0]).toMatch(/^run +started \(UTC\) +step +migration +result +ms +lock wait +rows +who +message$/);
  const steady = lines.slice(1).map((line) =>
    line
      .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, "TIME")
      .replace(/ (ok|failed) +\d+ /, " $1 MS ")
      .replace(/\S+@\S+/, "WHO")
      .replace(/ +/g, " "),
  );
  expect(steady).toEqual([
    "1 TIME statement 0001_stocks ok MS 0 ms 2 WHO",
    "1 TIME validate ok MS WHO",
    "2 TIME preflight ok MS WHO",
    "2 TIME backup ok MS WHO backup-1",
    "2 TIME statement 0002_more ok MS 0 ms 0 WHO",
    '2 TIME statement 0003_bad failed MS 0 ms 0 WHO 0003_bad failed: column "nowhere" does not exist',
    "2 TIME rollback 0002_more ok MS 0 ms 0 WHO",
  ]);
});

test("the history is printed as JSON, as much of it as is asked for", async () => {
  const { connection } = await withHistory();
  expect(await command(["--json", "--limit", "2"], connection)).toBe(0);
  expect(JSON.parse(output.stdout)).toEqual([
    expect.objectContaining({ kind: "statement", migration: "0003_bad", result: "failed", runResult: "rolled back" }),
    {
      run: 2,
      kind: "rollback",
      migration: "0002_more",
      startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      finishedAt: expect.stringMatching(/Z$/),
      result: "ok",
      milliseconds: expect.any(Number),
      lockWaitMilliseconds: 0,
      attempts: 1,
      rows: 0,
      message: null,
      who: expect.stringMatching(/^.+@.+$/),
      applicationVersion: expect.stringMatching(/^\d+\.\d+\.\d+/),
      runResult: "rolled back",
    },
  ]);
});

test("a database without a history is said to have none; a wrong limit is refused", async () => {
  const { connection } = await makeDatabase();
  expect(await command([], connection)).toBe(0);
  expect([output.stdout, output.stderr]).toEqual(["", "nothing was done to this schema yet\n"]);
  expect(await command(["--json"], connection)).toBe(0);
  expect(output.stdout).toBe("[]\n");
  expect(await failure(command(["--limit", "x"], connection))).toContain("--limit x is not a number of steps");
});
