import { mkdtempSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { setPolicy } from "../../../toolkit/partitions/policy.ts";
import { provePruning } from "../../../toolkit/partitions/pruning.ts";
import { restorePartition } from "../../../toolkit/partitions/restore.ts";
import { retainPartitions } from "../../../toolkit/partitions/retain.ts";
import { procedureSql, schedule } from "../../../toolkit/partitions/schedule.ts";
import { chooseTables } from "../../../toolkit/partitions/tables.ts";
import { runKilledAt } from "../../support/killedAt.ts";
import { contentsOf, oddDatabase } from "./support.ts";

const table = '"Odd.Place"."Days"';

async function daysTable() {
  const { connection, client } = await oddDatabase();
  await client.query(`
    create table ${table} (id int, day date not null, note text, primary key (id, day)) partition by range (day);
    create table "Odd.Place"."Days_1" partition of ${table} for values from ('2020-01-01') to ('2020-02-01');
    create table "Odd.Place"."Days_2" partition of ${table} for values from ('2020-02-01') to ('2020-03-01');
    insert into ${table} select n, date '2020-01-01' + n % 59, nullif('é,"' || n, 'é,"7') from generate_series(1, 2000) n`);
  return { connection, client };
}

const policy = { retention: "1 year", onExpire: "archive", interval: "month" } as const;

test("killed at one query after another, each expired partition is archived, and comes back as it was", async () => {
  const { connection, client } = await daysTable();
  const before = await contentsOf(client, table);
  const directory = mkdtempSync(join(tmpdir(), "archive-"));
  let kills = 0;
  for (let n = 6; ; n += 5) {
    const options = { table, policy, directory };
    const { code, signal, stderr } = await runKilledAt(
      connection,
      ["partitions/retain", "retainPartitions"],
      options,
      n,
    );
    if (code === 0) break;
    expect({ signal, stderr }).toEqual({ signal: "SIGKILL", stderr: "" });
    kills++;
  }
  expect(kills).toBeGreaterThan(2);
  expect(await contentsOf(client, table)).toEqual([]);
  const { rows } = await client.query("select archive from deploy.expired_partition order by id");
  expect(rows).toHaveLength(2);
  for (const { archive } of rows) await restorePartition(connection, archive);
  expect(await contentsOf(client, table)).toEqual(before);
  expect(await retainPartitions(connection, { table, policy, directory })).toEqual([{ table, expired: [] }]);
}, 30_000);

test("a damaged archive is not restored", async () => {
  const { connection } = await daysTable();
  const directory = mkdtempSync(join(tmpdir(), "archive-"));
  const [{ expired }] = (await retainPartitions(connection, { table, policy, directory })) as [never] &
    { expired: { archive: string }[] }[];
  const manifest = (expired as { archive: string }[])[0]!.archive;
  await appendFile(manifest.replace(/\.json$/, ""), "x");
  await expect(restorePartition(connection, manifest)).rejects.toThrow("Its checksum is not that of the manifest.");
});

test("pruning is proved for a static, a prepared and a joined date", async () => {
  const { client } = await daysTable();
  expect(await provePruning(client, table)).toEqual({
    table,
    partitions: 2,
    cases: ["static", "prepared", "join"].map((name) => ({ name, scanned: 1, pruned: true })),
  });
});

test("without pg_cron scheduling is refused; what it would run makes the partitions", async () => {
  const { client } = await daysTable();
  await expect(schedule(client, "show")).rejects.toThrow("pg_cron is not installed in this database");
  const [found] = await chooseTables(client, table);
  await setPolicy(client, found!, { interval: "month", ahead: 2, retention: null, onExpire: "drop", timeZone: "UTC" });
  await client.query(procedureSql);
  await client.query("call deploy.create_partitions_ahead()");
  const { rows } = await client.query(
    "select count(*)::int as number from pg_inherits where inhparent = $1::regclass",
    [table],
  );
  expect(rows).toEqual([{ number: 5 }]);
});
