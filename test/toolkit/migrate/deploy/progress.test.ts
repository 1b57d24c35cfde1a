import { expect, test } from "@jest/globals";
import { connect } from "../../../../toolkit/connection.ts";
import { readProgress, reportProgress } from "../../../../toolkit/migrate/progress.ts";
import { makeDatabase, until } from "../support.ts";

test("how far a session's index build is can be read from another session", async () => {
  const { connection, client } = await makeDatabase();
  await client.query("create table stocks (id int)");
  const reader = await connect(connection);
  await reader.query("begin; lock table stocks in row exclusive mode");
  const builder = await connect(connection);
  const pid = (builder as unknown as { processID: number }).processID;
  expect(await readProgress(client, pid)).toBeUndefined();
  const built = builder.query("create index concurrently stocks_i on stocks (id)");
  await until(() => readProgress(client, pid));
  expect(await readProgress(client, pid)).toEqual({ phase: "waiting for writers before build", done: 0, total: 1 });
  await reader.end();
  await built;
  await builder.end();
});

test("how far a copy is can be read", async () => {
  const { connection, client } = await makeDatabase();
  await client.query(
    "create table stocks (id int); create function slow(int) returns int language sql as 'select $1 from pg_sleep(0.05)'",
  );
  const copier = await connect(connection);
  const pid = (copier as unknown as { processID: number }).processID;
  const copied = copier.query("copy (select slow(n) from generate_series(1, 20) n) to program 'cat > /dev/null'");
  await until(() => readProgress(client, pid));
  expect(await readProgress(client, pid)).toMatchObject({ phase: "copy to", total: 0 });
  await copied;
  await copier.end();
});

test("without a terminal there is a line now and then, with percent and the rest", async () => {
  const lines: string[] = [];
  const report = reportProgress({ title: "0002_index", say: (line) => lines.push(line), terminal: false, interval: 0 });
  report.show({ phase: "building index: scanning table", done: 0, total: 1000 });
  await new Promise((done) => setTimeout(done, 20));
  report.show({ phase: "building index: scanning table", done: 500, total: 1000 });
  report.show({ phase: "waiting for old snapshots", done: 0, total: 0 });
  report.stop();
  expect(lines).toEqual([
    "0002_index: building index: scanning table, 0 %",
    expect.stringMatching(/^0002_index: building index: scanning table, 50 %, about \d+ s left$/),
    "0002_index: waiting for old snapshots",
  ]);
});

test("lines come no more often than they are read", () => {
  const lines: string[] = [];
  const report = reportProgress({ title: "0002_index", say: (line) => lines.push(line), terminal: false });
  for (let done = 0; done < 100; done++) report.show({ phase: "sorting", done, total: 100 });
  expect(lines).toHaveLength(1);
});
