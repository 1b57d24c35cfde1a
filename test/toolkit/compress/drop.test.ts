import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "@jest/globals";
import { drop } from "../../../toolkit/compress/drop.ts";
import { pack } from "../../../toolkit/compress/pack.ts";
import { verify } from "../../../toolkit/compress/verify.ts";
import { connect } from "../../../toolkit/connection.ts";
import { setPolicy } from "../../../toolkit/partitions/policy.ts";
import { restorePartition } from "../../../toolkit/partitions/restore.ts";
import { retainPartitions } from "../../../toolkit/partitions/retain.ts";
import { partitionStatus } from "../../../toolkit/partitions/status.ts";
import { chooseTables } from "../../../toolkit/partitions/tables.ts";
import type { TestDatabase } from "../../support/database.ts";
import { runKilledAt } from "../../support/killedAt.ts";
import { filled, olderThan, rowsOf } from "./support.ts";

const databases: TestDatabase[] = [];
afterEach(async () => {
  await Promise.all(databases.splice(0).map((database) => database.drop()));
});

async function packed() {
  const database = await filled();
  databases.push(database);
  await pack(database.connection, { olderThan });
  return database;
}

/** The age of a day, as an interval. */
async function ageOf({ client }: TestDatabase, day: string): Promise<string> {
  const { rows } = await client.query("select (current_date - $1::date) || ' days' as age", [day]);
  return rows[0].age;
}

// Two months are the end of one half-year, the third is the beginning of the next.
const [middle, expired] = ["2019-02-15", ["price_history_2018_11", "price_history_2018_12", "price_history_2019_01"]];
const kept = "date >= '2019-02-01'";

test("killed at one query after another, retention archives packed months with what was written to them, and each comes back", async () => {
  const database = await packed();
  const { client, connection } = database;
  await client.query(
    `insert into price_history (stock_id, date, close) values (1, '2018-12-03', 77)
     on conflict (stock_id, date) do update set close = excluded.close`,
  );
  const before = await rowsOf(database, "packed.price_history");
  const directory = mkdtempSync(join(tmpdir(), "archive-"));
  const policy = { retention: await ageOf(database, middle), onExpire: "archive", interval: "month" } as const;
  const options = { table: "price_history", policy, directory };
  expect(await retainPartitions(connection, { ...options, dryRun: true })).toEqual([
    { table: "public.price_history", expired: expired.map((name) => ({ name, action: "archive", archive: null })) },
  ]);
  let kills = 0;
  for (let n = 20; ; n += 21) {
    const ended = await runKilledAt(connection, ["partitions/retain", "retainPartitions"], options, n);
    if (ended.code === 0) break;
    expect({ signal: ended.signal, stderr: ended.stderr }).toEqual({ signal: "SIGKILL", stderr: "" });
    kills++;
  }
  expect(kills).toBeGreaterThan(2);
  expect(await rowsOf(database, `(select * from packed.price_history where not ${kept})`)).toEqual([]);
  expect(await verify(client)).toMatchObject({ damaged: [], doubled: 0 });
  const { rows } = await client.query(
    "select partition_name as name, archive from deploy.expired_partition where finished_at is not null order by name",
  );
  expect(rows.map(({ name }) => name)).toEqual(expired);
  for (const { archive } of rows) await restorePartition(connection, archive);
  expect(await rowsOf(database, "packed.price_history")).toEqual(before);
}, 60_000);

test("dropped months are gone, the rest stays packed, what was summed up stays, and the days take no rows any more", async () => {
  const database = await packed();
  const { client, connection } = database;
  const table = (await chooseTables(client, "price_history"))[0]!;
  await expect(drop(connection, {})).rejects.toThrow(
    `it is not said from which age packed months go
  why: The table price_history has no policy with a retention.
  fix: Add --older-than '10 years', or set one: toolkit partitions policy public.price_history --retention '10 years'.`,
  );
  await client.query("select refresh_daily_market_summary()");
  const [all, rest] = [await rowsOf(database, "packed.price_history"), await keptOf(database)];
  const summary = await rowsOf(database, "daily_market_summary");
  const age = await ageOf(database, middle);
  const dropped = expired.map((name) => ({ name, action: "drop", archive: null }));
  expect(await drop(connection, { olderThan: age, dryRun: true })).toEqual(dropped);
  expect(await rowsOf(database, "packed.price_history")).toEqual(all);
  await setPolicy(client, table, {
    ...{ interval: "month", ahead: 3, retention: age, onExpire: "drop", timeZone: "UTC" },
  });
  const { findings } = await partitionStatus(client, { table: "price_history" });
  expect(findings.map(({ what }) => what)).toContain(`3 partitions and packed months are older than ${age}.`);
  expect(await drop(connection, {})).toEqual(dropped);
  expect(await rowsOf(database, "packed.price_history")).toEqual(rest);
  expect(await verify(client)).toMatchObject({ damaged: [], doubled: 0 });
  await client.query("select refresh_daily_market_summary()");
  expect(await rowsOf(database, "daily_market_summary")).toEqual(summary);
  await expect(
    client.query("insert into price_history (stock_id, date, close) values (1, '2019-01-31', 1)"),
  ).rejects.toThrow('no partition of relation "price_history" found for row');
  expect(await drop(connection, {})).toEqual([]);
  await drop(connection, { olderThan: "1 year" });
  expect(await rowsOf(database, "packed.price_history")).toHaveLength(8);
  const { rows } = await client.query(
    "select to_regclass('price_history_late') as late, count(*)::int as days from packed.price_history_day",
  );
  expect(rows).toEqual([{ late: null, days: 0 }]);
}, 60_000);

function keptOf(database: TestDatabase): Promise<string[]> {
  return rowsOf(database, `(select * from packed.price_history where ${kept})`);
}

test("packed months stay where they are damaged, where deploy has their table, and where packing has not ended", async () => {
  const database = await filled();
  databases.push(database);
  const { client, connection } = database;
  const olderThanMiddle = await ageOf(database, middle);
  const reader = await connect(connection);
  await reader.query("begin isolation level repeatable read; select 1 from stocks limit 1");
  await pack(connection, { olderThan, patience: 100 });
  const all = await rowsOf(database, "packed.price_history");
  const take = (onExpire: "drop" | "detach") => drop(connection, { olderThan: olderThanMiddle, onExpire });
  await expect(take("drop")).rejects.toThrow(
    `price_history_2018_11 has expired, and cannot go yet: packing its prices has not ended
  why: Its rows are packed, and the emptied partition is still there, for a transaction that sees them in it.
  fix: End that transaction or wait for it, and let packing end: toolkit compress pack. Then retain again.`,
  );
  await reader.end();
  await pack(connection, { olderThan });
  await client.query("create schema if not exists deploy; create table deploy.price_history_2018_12 ()");
  await expect(take("detach")).rejects.toThrow(
    `price_history_2018_12 has expired, and cannot go: the schema deploy has a table of that name
  why: It is what retention kept of this month before; rows that came again would be mixed with it.
  fix: Move it elsewhere, or drop it: drop table deploy.price_history_2018_12. Then retain again.`,
  );
  expect(await rowsOf(database, "packed.price_history")).toEqual(all);
  await client.query(
    "update packed.price_history_chunk set bits = set_bit(bits, 3, 1 - get_bit(bits, 3)) where stock_id = 1 and period = '2018-07-01'",
  );
  await expect(take("drop")).rejects.toThrow(
    "These chunks have not the rows that were packed, by stock and half-year: 1 2018-07-01.",
  );
}, 60_000);
