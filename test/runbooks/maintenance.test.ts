import { rm } from "node:fs/promises";
import { afterEach, expect, test } from "@jest/globals";
import { setPolicy } from "../../toolkit/partitions/policy.ts";
import { chooseTables } from "../../toolkit/partitions/tables.ts";
import { readPage } from "../../toolkit/runbook/parse.ts";
import { run } from "../toolkit/runbook/support.ts";
import { makeSituation, type Situation } from "./situation.ts";

let situation: Situation;
afterEach(() => situation.drop());

test("maintenance-not-run: tells what is due, waits for nobody's run, and makes the partitions that are missing", async () => {
  situation = await makeSituation();
  const { client, owner } = situation;
  await client.query("create table readings (day date) partition by range (day)");
  await client.query("create table readings_1 partition of readings for values from ('2026-01-01') to ('2026-02-01')");
  const [table] = await chooseTables(client, "readings");
  const policy = { interval: "month", ahead: 2, retention: null, onExpire: "drop", timeZone: "UTC" } as const;
  await setPolicy(client, table!, policy);
  const partitions = async () =>
    (await client.query("select count(*)::int as n from pg_inherits where inhparent = 'readings'::regclass")).rows[0].n;
  const page = await readPage("maintenance-not-run");

  const other = await situation.session();
  await other.query("set application_name = 'postgres-from-code maintain'");
  expect((await run(page, owner)).record).toMatchObject({ result: "stopped", steps: { length: 1 } });
  await other.query("reset application_name");

  const dry = await run(page, owner, { dryRun: true });
  expect([dry.record.result, await partitions()]).toEqual(["dry run", 1]);
  expect(dry.said).toContain("public.readings");

  const { record, said } = await run(page, owner, { set: ["budget=1min"] });
  expect([record.result, (await partitions()) > 2]).toEqual(["done", true]);
  await rm(/saved as (\S+\.json)/.exec(said)![1]!);
});
