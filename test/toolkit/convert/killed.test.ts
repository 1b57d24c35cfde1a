import { expect, test } from "@jest/globals";
import { convert, goBack } from "../../../toolkit/convert/convert.ts";
import { runKilledAt } from "../../support/killedAt.ts";
import { fill, plainDatabase, prices } from "./prices.ts";
import { startTraffic } from "./traffic.ts";

const options = { table: "price_history", batchBlocks: 8, rest: 0, lockTimeout: 200 };
// Session, lock and journal take about this many queries before the first thing is done.
const firstKill = 8;

test("killed at one query after another, under traffic, no row is lost and none doubled", async () => {
  const { connection, client } = await plainDatabase();
  const quiet = await fill(client);
  const traffic = await startTraffic(connection);

  let kills = 0;
  for (let n = firstKill; ; n += 13) {
    const { code, signal, stderr } = await runKilledAt(connection, ["convert/convert", "convert"], options, n);
    if (code === 0) break;
    expect({ signal, stderr }).toEqual({ signal: "SIGKILL", stderr: "" });
    kills++;
  }
  console.info(`converted after ${kills} kills, ${traffic.done()} transactions beside`);
  expect(kills).toBeGreaterThan(5);

  // The way back, the same way. Once it is taken, there is nothing to put back.
  for (let n = firstKill; ; n += 5) {
    const { code, signal, stderr } = await runKilledAt(connection, ["convert/convert", "goBack"], options, n);
    if (code === 0 || stderr.includes("there is nothing to put back")) break;
    expect(signal).toBe("SIGKILL");
    kills++;
  }
  for (let n = firstKill; ; n += 13) {
    const { code, signal, stderr } = await runKilledAt(connection, ["convert/convert", "finish"], options, n);
    if (code === 0) break;
    expect({ signal, stderr }).toEqual({ signal: "SIGKILL", stderr: "" });
    kills++;
  }

  const expected = [...quiet, ...(await traffic.stop())].sort();
  expect(await prices(client)).toEqual(expected);
  expect(await prices(client, "deploy.price_history_before_partitioning")).toEqual(expected);
  console.info(`${kills} kills in all, ${traffic.done()} transactions, ${expected.length} rows at the end`);
}, 120_000);

test("after the way back the application goes on with every row", async () => {
  const { connection, client } = await plainDatabase();
  const quiet = await fill(client, 40);
  await convert(connection, options);
  const traffic = await startTraffic(connection, 2);
  while (traffic.done() < 50) await new Promise((done) => setTimeout(done, 5));
  await goBack(connection, options);
  const reached = traffic.done();
  while (traffic.done() < reached + 50) await new Promise((done) => setTimeout(done, 5));
  const expected = [...quiet, ...(await traffic.stop())].sort();
  expect(await prices(client)).toEqual(expected);
  const { rows } = await client.query(
    "select relkind, count(id)::int as ids from pg_class, price_history where pg_class.oid = 'price_history'::regclass group by 1",
  );
  expect(rows).toEqual([{ relkind: "r", ids: expected.length }]);
});
