import { randomBytes } from "node:crypto";
import { afterEach, expect, test } from "@jest/globals";
import { readPage } from "../../toolkit/runbook/parse.ts";
import { run } from "../toolkit/runbook/support.ts";
import { makeSituation, type Situation } from "./situation.ts";

let situation: Situation;
afterEach(() => situation.drop());

/** Names of the indexes that are invalid now. */
async function invalid(): Promise<string[]> {
  const { rows } = await situation.client.query(
    "select indexrelid::regclass::text as name from pg_index where not indisvalid order by 1",
  );
  return rows.map(({ name }) => name);
}

test("failed-concurrent-index: stops while the keys are double, then builds the index and drops what failed", async () => {
  situation = await makeSituation();
  const { client, owner } = situation;
  await client.query("create table stocks (name text); insert into stocks values ('a'), ('a')");
  const build = "create unique index concurrently stocks_by_name on stocks (name)";
  await expect(client.query(build)).rejects.toThrow("could not create unique index");
  const page = await readPage("failed-concurrent-index");

  const dry = await run(page, owner, { dryRun: true });
  expect([dry.record.result, await invalid()]).toEqual(["dry run", ["stocks_by_name"]]);
  expect(dry.said).toContain("would run now:\n      reindex index concurrently public.stocks_by_name");

  const double = await run(page, owner);
  expect(double.record.steps.at(-1)).toMatchObject({ title: "Build the others again", result: "failed" });
  expect(double.said).toContain('next: "could not create unique index" names the key');
  expect(await invalid()).toEqual(["stocks_by_name", "stocks_by_name_ccnew"]);

  await client.query("delete from stocks where ctid = '(0,1)'");
  const { record } = await run(page, owner);
  expect([record.result, await invalid()]).toEqual(["done", []]);
  expect(record.steps[2]!.rows).toEqual([
    { statement: "drop index concurrently if exists public.stocks_by_name_ccnew", result: "DROP" },
  ]);
  await expect(client.query("insert into stocks values ('a')")).rejects.toThrow("duplicate key");
});

test("failed-concurrent-index: an old transaction stops it, for the rebuild would wait for it", async () => {
  situation = await makeSituation();
  const { client, owner } = situation;
  await client.query("create table stocks (name text); insert into stocks values ('a'), ('a')");
  await client.query("create unique index concurrently stocks_by_name on stocks (name)").catch(() => {});
  await (await situation.session()).query("begin; select 1");
  const { record } = await run(await readPage("failed-concurrent-index"), owner, { set: ["old_seconds=0"] });
  expect([record.result, record.steps.length, await invalid()]).toEqual(["stopped", 2, ["stocks_by_name"]]);
});

test("wraparound-near: the transaction that holds vacuum back goes, and the old tables are frozen", async () => {
  situation = await makeSituation();
  const { client, owner } = situation;
  await client.query("create table stocks (name text)");
  const old = await situation.session();
  await old.query("begin isolation level repeatable read; select 1");
  await client.query("do $$ begin for i in 1..30000 loop perform pg_current_xact_id(); commit; end loop; end $$");
  const age = async () =>
    (await client.query("select age(relfrozenxid) as age from pg_class where oid = 'stocks'::regclass")).rows[0].age;
  const set = ["age=20000", "tables=500"];
  const page = await readPage("wraparound-near");
  const dry = await run(page, owner, { dryRun: true, set });
  expect([dry.record.result, (await age()) >= 20_000]).toEqual(["dry run", true]);
  await old.query("select 1");
  const { record } = await run(page, owner, { set });
  expect([record.result, (await age()) < 20_000]).toEqual(["done", true]);
  expect(record.steps[2]!.rows).toMatchObject([{ user: situation.application.user, terminated: true }]);
  await expect(old.query("select 1")).rejects.toThrow();
});

test("disk-nearly-full: the unused slot and the big temporary files go", async () => {
  situation = await makeSituation();
  const { client, owner } = situation;
  const slot = `unused_${randomBytes(4).toString("hex")}`;
  await client.query("reset role");
  await client.query("select pg_create_physical_replication_slot($1, true)", [slot]);
  const sorting = await situation.session();
  await sorting.query(`set work_mem = '64kB'; begin; declare sorted cursor for
    select n, repeat('x', 100) from generate_series(1, 100000) n order by n desc; fetch sorted`);
  const there = async () =>
    (await client.query("select count(*)::int as n from pg_replication_slots where slot_name = $1", [slot])).rows[0].n;
  const page = await readPage("disk-nearly-full");
  const set = [`slot=${slot}`, "temp_mb=5"];
  const dry = await run(page, owner, { dryRun: true, set });
  expect([dry.record.result, await there()]).toEqual(["dry run", 1]);
  await sorting.query("fetch sorted");
  const { record } = await run(page, owner, { set });
  expect([record.result, await there()]).toEqual(["done", 0]);
  expect(record.steps[4]!.rows).toMatchObject([{ user: situation.application.user, terminated: true }]);
  await expect(sorting.query("select 1")).rejects.toThrow();

  const full = await run(page, owner, { set: ["capacity_gb=0.001"] });
  expect(full.record.steps.at(-1)).toMatchObject({ title: "Look again", result: "failed" });
  expect(full.record.steps.at(-1)!.next).toContain("enlarge the disk");
});

test("replica-lagging: a slot that lags is a surprise until it is named, and then it is dropped", async () => {
  situation = await makeSituation();
  const { client, owner } = situation;
  const slot = `gone_${randomBytes(4).toString("hex")}`;
  await client.query("reset role");
  await client.query("select pg_create_physical_replication_slot($1, true)", [slot]);
  await client.query("create table t as select n, repeat('x', 100) as x from generate_series(1, 20000) n");
  const page = await readPage("replica-lagging");
  const slots = async () =>
    (await client.query("select count(*)::int as n from pg_replication_slots where slot_name = $1", [slot])).rows[0].n;

  const found = await run(page, owner, { set: ["lag_mb=1"] });
  expect(found.record.steps.at(-1)).toMatchObject({ title: "Who still lags", result: "failed" });
  expect(found.record.steps.at(-1)!.rows).toContainEqual(expect.objectContaining({ slot, active: false }));
  expect(found.record.steps.at(-1)!.next).toContain("run this page with `slot` set to its name");

  // Other tests make backups, whose slots lag too for a while.
  const set = [`slot=${slot}`, "lag_mb=1000000"];
  const dry = await run(page, owner, { dryRun: true, set });
  expect([dry.record.result, await slots()]).toEqual(["dry run", 1]);
  const { record } = await run(page, owner, { set });
  expect([record.result, await slots()]).toEqual(["done", 0]);
});
