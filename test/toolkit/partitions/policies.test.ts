import { expect, test } from "@jest/globals";
import type pg from "pg";
import { connect } from "../../../toolkit/connection.ts";
import { command } from "../../../toolkit/partitions/command.ts";
import { ensurePartitions } from "../../../toolkit/partitions/ensure.ts";
import { maintainPartitions } from "../../../toolkit/partitions/maintain.ts";
import { repairPartitions } from "../../../toolkit/partitions/repair.ts";
import { retainPartitions } from "../../../toolkit/partitions/retain.ts";
import { partitionStatus } from "../../../toolkit/partitions/status.ts";
import { oddDatabase } from "./support.ts";

const table = '"Odd.Place"."Log"';

async function logTable() {
  const database = await oddDatabase();
  await database.client.query(`create table ${table} (at timestamp not null) partition by range (at)`);
  return database;
}

const make = (client: pg.ClientBase, name: string, from: string, to: string) =>
  client.query(`create table "Odd.Place"."${name}" partition of ${table} for values from ('${from}') to ('${to}')`);

async function partitionsOf(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query(
    "select relname as name from pg_inherits join pg_class c on c.oid = inhrelid where inhparent = $1::regclass order by 1",
    [table],
  );
  return rows.map(({ name }) => name);
}

test.each([
  ["week", '"Log"_IYYY"w"IW'],
  ["day", '"Log"_YYYY_MM_DD'],
] as const)("a policy of one partition a %s makes this one and those ahead, once", async (interval, format) => {
  const { connection, client } = await logTable();
  const options = { table, policy: { interval, ahead: 2 } };
  await ensurePartitions(connection, options);
  const { rows } = await client.query(
    `select to_char(start, $2) as name from generate_series(date_trunc($1, now() at time zone 'UTC'),
       (now() at time zone 'UTC') + 2 * ('1 ' || $1)::interval, ('1 ' || $1)::interval) as start order by 1`,
    [interval, format],
  );
  expect(await partitionsOf(client)).toEqual(rows.map(({ name }) => name));
  expect(rows).toHaveLength(3);
  expect((await ensurePartitions(connection, options))[0]!.created).toEqual([]);
  // Without a word of the policy, its unit is seen from the partitions.
  expect((await partitionStatus(client, { table })).rows[0]!.policy).toMatchObject({ interval, source: "inferred" });
});

test("repair fills a gap between partitions, and status tells of it before", async () => {
  const { connection, client } = await logTable();
  await make(client, "Log_2020_01", "2020-01-01", "2020-02-01");
  await make(client, "Log_2020_04", "2020-04-01", "2020-05-01");
  const policy = { interval: "month", ahead: 0 } as const;
  const { findings } = await partitionStatus(client, { table, policy });
  expect(findings.map(({ what }) => what)).toContain(
    "No partition from 2020-02-01 00:00:00.000000 to 2020-04-01 00:00:00.000000.",
  );
  const [dry] = await repairPartitions(connection, { table, policy, dryRun: true });
  expect(await partitionsOf(client)).toEqual(["Log_2020_01", "Log_2020_04"]);
  const [done] = await repairPartitions(connection, { table, policy });
  expect(done!.created.slice(0, 2)).toEqual(["Log_2020_02", "Log_2020_03"]);
  expect(dry!.created).toEqual(done!.created);
});

test("an expired partition is kept in another schema, or dropped, as the policy says; also after an interrupted detach", async () => {
  const { connection, client } = await logTable();
  await make(client, "Log_2020_01", "2020-01-01", "2020-02-01");
  await make(client, "Log_2020_02", "2020-02-01", "2020-03-01");
  await client.query(`insert into ${table} values ('2020-01-05'), ('2020-02-05')`);
  const policy = { interval: "month", ahead: 0, retention: "1 year" } as const;
  const reader = await connect(connection);
  await reader.query(`begin; select from ${table}`);
  await expect(
    client
      .query(
        "set statement_timeout to 200; ", // one statement each: CONCURRENTLY runs in no transaction
      )
      .then(() => client.query(`alter table ${table} detach partition "Odd.Place"."Log_2020_01" concurrently`)),
  ).rejects.toThrow("statement timeout");
  await reader.end();
  await client.query("reset statement_timeout");
  expect((await partitionStatus(client, { table, policy })).findings[0]).toMatchObject({
    what: 'Detaching "Odd.Place"."Log_2020_01" was interrupted.',
  });
  const [kept] = await retainPartitions(connection, { table, policy: { ...policy, onExpire: "detach" } });
  expect(kept!.expired.map(({ name, action }) => [name, action])).toEqual([
    ["Log_2020_01", "detach"],
    ["Log_2020_02", "detach"],
  ]);
  const { rows } = await client.query(
    'select (select at::text from deploy."Log_2020_01"), count(*)::int from deploy."Log_2020_02"',
  );
  expect(rows).toEqual([{ at: "2020-01-05 00:00:00", count: 1 }]);
  await make(client, "Log_2019_01", "2019-01-01", "2019-02-01");
  const done = await maintainPartitions(connection, { table, policy: { ...policy, onExpire: "drop" } });
  expect(done.ensured[0]!.created).toHaveLength(1);
  expect(done.retained[0]!.expired).toEqual([{ name: "Log_2019_01", action: "drop", archive: null }]);
  expect((await client.query(`select to_regclass('"Odd.Place"."Log_2019_01"') as found`)).rows).toEqual([
    { found: null },
  ]);
});

test("the command sets, uses and forgets a policy, and refuses what it does not understand", async () => {
  const { connection, client } = await logTable();
  const run = (...argv: string[]) => command(argv, connection);
  expect(await run("status", table, "--json")).toBe(0);
  expect(await run("policy", table, "--interval", "day", "--ahead", "1", "--retention", "90 days", "--json")).toBe(0);
  expect(await run("status", table, "--json")).toBe(1);
  expect(await run("ensure", table)).toBe(0);
  expect(await partitionsOf(client)).toHaveLength(2);
  expect(await run("retain", "--dry-run")).toBe(0);
  expect(await run("policy", table, "--forget")).toBe(0);
  expect((await client.query("select from deploy.partition_policy")).rowCount).toBe(0);
  expect(await run("stale", "--json")).toBe(0);
  await expect(run("policy", table, "--retention", "soon", "--interval", "day")).rejects.toThrow(
    '"soon" is no length of time\n  fix: Write it as "5 years", "18 months" or "90 days".',
  );
  await expect(run("stale", table)).rejects.toThrow("means nothing to partitions stale");
  await expect(run("ensure", "--forget")).rejects.toThrow("--forget means nothing to partitions ensure");
  await expect(run("tidy")).rejects.toThrow("partitions cannot tidy");
  await expect(run("restore")).rejects.toThrow("partitions restore asks for a manifest");
});
