import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { connect } from "../../../toolkit/connection.ts";
import { repairPartitions } from "../../../toolkit/partitions/repair.ts";
import { partitionStatus } from "../../../toolkit/partitions/status.ts";
import { runKilledAt } from "../../support/killedAt.ts";
import { contentsOf, forgottenTable, oddDatabase } from "./support.ts";

test("killed at one query after another, under traffic, each reader sees each row, and none is lost or doubled", async () => {
  const { connection, client } = await oddDatabase();
  const table = await forgottenTable(client);
  await client.query(`insert into ${table} (sensor, "At time", value) values (1, null, 1), (2, 'infinity', 2)`);
  const expected = (await client.query(`select count(*)::int as rows from ${table}`)).rows[0].rows;
  const [writer, reader] = [await connect(connection), await connect(connection)];
  let stopping = false;
  let [written, wrong] = [0, 0];
  // Each round leaves as many rows as there were: one is replaced, others are corrected, some move to another month.
  const at = (round: number) =>
    `date_trunc('month', now()) - interval '${(round * 7) % 80} days ${round}.5 seconds 1 minute'`;
  await writer.query(`insert into ${table} (sensor, "At time", value) values (3, ${at(0)}, 7)`);
  const writing = (async () => {
    while (!stopping) {
      const round = written + 1;
      await writer.query(`
        begin;
        insert into ${table} (sensor, "At time", value) values (3, ${at(round)}, 7);
        delete from ${table} where sensor = 3 and "At time" = ${at(round - 1)};
        update ${table} set value = value + 1 where sensor = 1 and value % 50 = ${(round * 7) % 50};
        update ${table} set "At time" = "At time" + interval '31 days' where sensor = 2 and value = ${round * 5 + 1}
          and "At time" < now() - interval '60 days';
        commit`);
      written++;
      await sleep(3);
    }
  })();
  const month = (n: number) => `date_trunc('month', now(), 'UTC') - interval '${n} months'`;
  const within = (from: string, to: string) =>
    `(select count(*)::int from ${table} where "At time" >= ${from} and "At time" < ${to})`;
  const parts = [within("'-infinity'", month(3)), within(month(0), "'infinity'")];
  for (let n = 3; n > 0; n--) parts.push(within(month(n), month(n - 1)));
  const months = `select 2 + ${parts.join(" + ")} as rows`;
  const reading = (async () => {
    while (!stopping) {
      await reader.query("begin isolation level repeatable read; select 1 as snapshot");
      await sleep(15);
      const { rows: all } = await reader.query(`select count(*)::int as rows from ${table}`);
      // The same rows by queries that leave partitions out: those of each month, and those without.
      const { rows: parts } = await reader.query(months);
      await reader.query("commit");
      if (all[0].rows !== expected + 1 || parts[0].rows !== expected + 1) wrong++;
    }
  })();
  let kills = 0;
  for (let n = 5; ; n += 19) {
    const { code, signal, stderr } = await runKilledAt(
      connection,
      ["partitions/repair", "repairPartitions"],
      { table },
      n,
    );
    if (code === 0) break;
    expect({ signal, stderr }).toEqual({ signal: "SIGKILL", stderr: "" });
    kills++;
  }
  stopping = true;
  await Promise.all([writing, reading]);
  await Promise.all([writer.end(), reader.end()]);
  expect(kills).toBeGreaterThan(3);
  expect(wrong).toBe(0);
  const { rows } = await client.query('select count(*)::int as rows from "Odd.Place".rest');
  expect(rows).toEqual([{ rows: 2 }]);
}, 60_000);

test("the rows of a default partition get partitions of their own, and the policy's partitions are made", async () => {
  const { connection, client } = await oddDatabase();
  const table = await forgottenTable(client);
  const before = await contentsOf(client, table);
  const [done] = await repairPartitions(connection, { table });
  expect(done!.created).toHaveLength(7);
  expect(await contentsOf(client, table)).toEqual(before);
  expect((await partitionStatus(client, { table })).findings).toEqual([]);
});

test.each([
  ["with a key", 3_000],
  ["without a key, of which some look the same", 200],
])(
  "a flood of changes of the very rows, %s, does not outrun it, and each is there in the end",
  async (kind, number) => {
    const { connection, client } = await oddDatabase();
    const table = await forgottenTable(client, number);
    if (kind !== "with a key")
      await client.query(`
      alter table ${table} drop constraint "Read""ings_sensor_At time_key";
      insert into ${table} (sensor, "At time", value) select sensor, "At time", value from ${table}, generate_series(1, 2)`);
    const sums = async () =>
      (
        await client.query(
          `select count(*)::int as rows, sum(value)::int as sum, sum(twice)::int as twice from ${table}`,
        )
      ).rows[0];
    const before = await sums();
    const writer = await connect(connection);
    let [stopping, changed] = [false, 0];
    const writing = (async () => {
      for (let n = 0; !stopping; n++) {
        const update = `update ${table} set value = value + 1 where sensor = ${1 + (n % 5)}`;
        changed += (await writer.query(update)).rowCount!;
      }
    })();
    try {
      await repairPartitions(connection, { table, patience: 20_000 });
    } finally {
      stopping = true;
      await writing;
      await writer.end();
    }
    const sum = before.sum + changed;
    expect(await sums()).toEqual({ rows: before.rows, sum, twice: 2 * sum });
    expect((await partitionStatus(client, { table })).findings).toEqual([]);
  },
);

test("it ends with what to do where its patience does, and every row is where it was", async () => {
  const { connection, client } = await oddDatabase();
  const table = await forgottenTable(client);
  const before = await contentsOf(client, table);
  await expect(repairPartitions(connection, { table, patience: 0 })).rejects.toThrow(
    `the default partition of ${table} was not emptied within 0 seconds`,
  );
  expect(await contentsOf(client, table)).toEqual(before);
});
