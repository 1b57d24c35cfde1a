import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import type { Context } from "../../../toolkit/cli.ts";
import { convert } from "../../../toolkit/convert/convert.ts";
import { command } from "../../../toolkit/maintain/command.ts";
import { setPolicy } from "../../../toolkit/partitions/policy.ts";
import { chooseTables } from "../../../toolkit/partitions/tables.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { run, stepsOf } from "./support.ts";

let database: TestDatabase;
/** What the command prints on stdout. */
async function outputOf(argv: string[], context: Context): Promise<string> {
  const written: string[] = [];
  const [write, told] = [process.stdout.write, jest.spyOn(process.stderr, "write").mockReturnValue(true)];
  process.stdout.write = (text: string | Uint8Array) => written.push(String(text)) > 0;
  try {
    await command(argv, database.connection, context);
    return written.join("");
  } finally {
    process.stdout.write = write;
    told.mockRestore();
  }
}

const only = ["partitions", "summaries", "retention", "conversions", "compression", "history", "backups"];

beforeAll(async () => {
  database = await createDatabase({ template: "head" });
});
afterAll(() => database.drop());

test("partitions are made ahead, prices are summed up, old ones are packed where it is asked for; then nothing is left", async () => {
  const { client } = database;
  const { rows } = await client.query(
    "select partition::text as name from partition_bounds('public.price_history') where from_date > current_date limit 1",
  );
  await client.query(`drop table ${rows[0].name}`);
  await client.query(`
    insert into stocks (symbol, name) values ('ONE', 'One');
    select ensure_partitions('price_history', '2020-01-01', '2020-02-29');
    insert into price_history (stock_id, date, open, high, low, close, volume)
    select 1, date, 1, 1, 1, 1, 1 from generate_series('2020-01-02'::date, '2020-02-10', '1 day') as date`);
  const expected = [
    ["partitions", "public.price_history", "done"],
    ["summaries", "daily_market_summary, weekly_price_summary", "done"],
  ];
  const said: string[] = [];
  expect(stepsOf(await run(database, { only, say: (line) => said.push(line) }))).toEqual(expected);
  expect(said).toContainEqual(expect.stringMatching(/^summaries: daily_market_summary, weekly_price_summary: done, /));
  const made = await client.query(
    "select to_regclass($1) is not null as made, (select count(*)::int from daily_market_summary where sector = 'All') as days",
    [rows[0].name],
  );
  expect(made.rows[0]).toEqual({ made: true, days: 40 });
  expect((await run(database, { only })).steps).toEqual([]);
  const packing = { only, packOlderThan: "2 years" };
  expect(stepsOf(await run(database, packing))).toEqual([["compression", "price_history", "done"]]);
  expect((await run(database, packing)).steps).toEqual([]);
});

test("the plain table of a conversion goes when its way back is closed, and not before", async () => {
  const { client, connection } = database;
  await client.query(`create table visit (date date primary key); insert into visit values ('2024-01-01')`);
  await convert(connection, { table: "visit" });
  expect((await run(database, { only: ["conversions"] })).steps).toEqual([]);
  const open = await client.query("select to_regclass('deploy.visit_before_partitioning') is not null as kept");
  expect(open.rows[0]).toEqual({ kept: true });
  await client.query("update deploy.partitioning set keep_until = '2024-02-01T00:00:00Z'");
  const { steps } = await run(database, { only: ["conversions"] });
  expect(steps).toMatchObject([
    {
      ...{ object: "visit", result: "done" },
      why: "the way back to the plain table was open until 2024-02-01T00:00:00.000Z; it takes 0.0 MB",
    },
  ]);
  const { rows } = await client.query(
    "select (select count(*)::int from visit), to_regclass('deploy.visit_before_partitioning') as kept",
  );
  expect(rows[0]).toEqual({ count: 1, kept: null });
  expect((await run(database, { only: ["conversions"] })).steps).toEqual([]);
  await client.query("drop table visit");
});

test("backups are removed where it is said how many stay, by the stack too, and only then", async () => {
  const folder = await mkdtemp(join(tmpdir(), "maintain-"));
  try {
    for (const day of ["01", "02", "03"]) {
      await mkdir(join(folder, `backup-${day}`));
      const manifest = { format: 1, madeAt: `2026-01-${day}T00:00:00.000Z`, bytes: 1000 };
      await writeFile(join(folder, `backup-${day}`, "manifest.json"), JSON.stringify(manifest));
    }
    const backup = { kind: "auto", directory: folder } as const;
    expect((await run(database, { only: ["backups"], backup })).steps).toEqual([]);
    const planned = async (argv: string[], keptBackups?: Context["keptBackups"]) => {
      const context = { backup, ...(keptBackups && { keptBackups }) };
      const output = await outputOf(["--only", "backups", "--dry-run", "--json", ...argv], context);
      return JSON.parse(output).steps.map(({ why }: { why: string }) => why);
    };
    const stack = { count: 2, days: 100_000 };
    expect(await planned([])).toEqual([]);
    expect(await planned([], stack)).toEqual(["not to be kept: backup-01, 1,000 bytes"]);
    expect(await planned(["--backup-count", "1"], stack)).toEqual(["not to be kept: backup-01, backup-02, 2 kB"]);
    const { steps } = await run(database, { only: ["backups"], backup, kept: { count: 1, days: 1_000 } });
    expect(steps).toMatchObject([
      { object: folder, why: "not to be kept: backup-01, backup-02, 2 kB", result: "done" },
    ]);
    expect((await readdir(folder)).filter((name) => !name.startsWith("."))).toEqual(["backup-03"]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("what would be archived is left alone where no disk lasts, and what is dropped goes", async () => {
  const { client } = database;
  await client.query(`
    create table kept (day date not null) partition by range (day);
    create table kept_2020 partition of kept for values from ('2020-01-01') to ('2020-02-01')`);
  const [table] = await chooseTables(client, "kept");
  const without = () => run(database, { only: ["retention"], archive: false });
  const policy = { interval: "month", ahead: 0, retention: "1 year", timeZone: "UTC" } as const;
  await setPolicy(client, table!, { ...policy, onExpire: "archive" });
  expect((await without()).steps).toMatchObject([
    { result: "skipped", note: "an archive would not last here: run toolkit partitions retain where it does" },
  ]);
  const isThere = async () =>
    (await client.query("select to_regclass('kept_2020') is not null as there")).rows[0].there;
  expect(await isThere()).toBe(true);
  await setPolicy(client, table!, { ...policy, onExpire: "drop" });
  expect(stepsOf(await without())).toEqual([["retention", "public.kept", "done"]]);
  expect(await isThere()).toBe(false);
});
