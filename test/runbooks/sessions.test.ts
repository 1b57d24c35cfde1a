import { afterEach, expect, test } from "@jest/globals";
import type pg from "pg";
import { connect } from "../../toolkit/connection.ts";
import { readPage } from "../../toolkit/runbook/parse.ts";
import { run } from "../toolkit/runbook/support.ts";
import { makeSituation, type Situation, until } from "./situation.ts";

let situation: Situation;
afterEach(() => situation.drop());

/** How many sessions of the application are alive, and how many of them wait for a lock. */
async function sessions(): Promise<{ alive: number; waiting: number }> {
  const { rows } = await situation.client.query(
    `select count(*)::int as alive, count(*) filter (where wait_event_type = 'Lock')::int as waiting
     from pg_stat_activity where usename = $1`,
    [situation.application.user],
  );
  return rows[0];
}

/** Whether a client can still ask something. */
const isAlive = (client: pg.Client) =>
  client.query("select 1").then(
    () => true,
    () => false,
  );

async function pileUp(hold: (culprit: pg.Client) => Promise<unknown>) {
  situation = await makeSituation();
  await situation.client.query(
    "create table stocks (n int); insert into stocks values (1); grant all on stocks to public",
  );
  const culprit = await situation.session();
  await culprit.query("begin; update stocks set n = 2");
  const held = hold(culprit).catch((error: Error) => error.message);
  const victims = [await situation.session(), await situation.session()].map((victim) =>
    victim.query("update stocks set n = n + 1"),
  );
  await until(async () => (await sessions()).waiting === 2);
  return { culprit, held, victims };
}

test("lock-pile-up: a culprit that does nothing is terminated, and those behind it go on", async () => {
  const { culprit, victims } = await pileUp(async () => {});
  const page = await readPage("lock-pile-up");
  const dry = await run(page, situation.owner, { dryRun: true, set: ["seconds=0"] });
  expect([dry.record.result, await sessions()]).toEqual(["dry run", { alive: 3, waiting: 2 }]);
  const { record } = await run(page, situation.owner, { set: ["seconds=0"] });
  expect(record).toMatchObject({ result: "done" });
  const tree = record.steps[0]!.rows.map(({ session }) => String(session).replace(/\d+/, "PID"));
  expect([tree[0], tree.length]).toEqual(["PID", 3]);
  expect(tree.slice(1).every((line) => /^( {2})+PID$/.test(line))).toBe(true);
  await Promise.all(victims);
  expect([await isAlive(culprit), await sessions()]).toEqual([false, { alive: 2, waiting: 0 }]);
  const { rows } = await situation.client.query(
    "select n, (select result from deploy.runbook_run) as result from stocks",
  );
  expect(rows).toEqual([{ n: 3, result: "done" }]);
});

test("lock-pile-up: a culprit that runs a statement is cancelled and keeps its session", async () => {
  const { culprit, held, victims } = await pileUp((culprit) => culprit.query("select pg_sleep(60)"));
  const { record } = await run(await readPage("lock-pile-up"), situation.owner, { set: ["seconds=0"] });
  expect(record.result).toBe("done");
  await Promise.all(victims);
  expect(await held).toBe("canceling statement due to user request");
  await culprit.query("rollback");
  expect(await isAlive(culprit)).toBe(true);
});

test("lock-pile-up: where nobody waits, it stops before it touches anybody", async () => {
  situation = await makeSituation();
  const { record } = await run(await readPage("lock-pile-up"), situation.owner);
  expect([record.result, record.steps.length]).toEqual(["stopped", 1]);
  expect(record.steps[0]!.next).toContain("nobody waits for a lock now");
});

test("pool-exhausted: idle sessions go, working ones stay", async () => {
  situation = await makeSituation();
  await situation.client.query(`alter database ${situation.owner.database} connection limit 10`);
  const leaked = await Promise.all(Array.from({ length: 7 }, () => situation.session()));
  for (const client of leaked.slice(0, 4)) await client.query("begin");
  const working = await situation.session();
  const work = working.query("select pg_sleep(60)").catch((error: Error) => error.message);
  await until(
    async () =>
      (
        await situation.client.query("select from pg_stat_activity where usename = $1 and wait_event = 'PgSleep'", [
          situation.application.user,
        ])
      ).rowCount,
  );
  const set = ["transaction_seconds=0", "idle_seconds=0"];
  const page = await readPage("pool-exhausted");
  const dry = await run(page, situation.owner, { dryRun: true, set });
  expect([dry.record.result, (await sessions()).alive]).toEqual(["dry run", 8]);
  const { record } = await run(page, situation.owner, { set });
  expect(record.result).toBe("done");
  expect(record.steps.map(({ rows }) => rows.length)).toEqual([1, expect.any(Number), 4, 3, 1]);
  expect(record.steps[0]!.rows).toMatchObject([
    { scope: `database ${situation.owner.database}`, most: 10, exhausted: true },
  ]);
  expect((await sessions()).alive).toBe(1);
  await situation.client.query("select pg_cancel_backend(pid) from pg_stat_activity where usename = $1", [
    situation.application.user,
  ]);
  expect(await work).toBe("canceling statement due to user request");
});

test("pool-exhausted: where the sessions that are left are at work, it says that the load is real", async () => {
  situation = await makeSituation();
  await situation.client.query(`alter database ${situation.owner.database} connection limit 2`);
  const { record } = await run(await readPage("pool-exhausted"), situation.owner);
  expect([record.result, record.steps.length]).toEqual(["stopped", 5]);
  expect(record.steps[4]!.next).toContain("the load is real");
});

test("emergency, then emergency-resume: the application is kept out and comes back with its old limit", async () => {
  situation = await makeSituation("head");
  const { client, owner, application } = situation;
  const limit = async () =>
    (await client.query("select rolconnlimit as n from pg_roles where rolname = $1", [application.user])).rows[0].n;
  await client.query("reset role");
  await client.query(`alter role ${application.user} connection limit 7`);
  await client.query(
    `grant usage, create on schema deploy to ${owner.user}; grant select on all tables in schema deploy to ${owner.user}`,
  );
  const [one, other] = [await situation.session(), await situation.session()];
  const set = [`role=${application.user}`];
  const [stop, resume] = [await readPage("emergency"), await readPage("emergency-resume")];

  const dry = await run(stop, owner, { dryRun: true, set });
  expect([dry.record.result, await limit(), await isAlive(one)]).toEqual(["dry run", 7, true]);
  expect(dry.said).toContain(`would run now:\n      alter role ${application.user} connection limit 0`);
  expect((await client.query("select to_regclass('deploy.closed_role') as made")).rows).toEqual([{ made: null }]);

  expect((await run(stop, owner, { set })).record.result).toBe("done");
  expect([await limit(), await isAlive(one), await isAlive(other)]).toEqual([0, false, false]);
  await expect(connect(application)).rejects.toThrow("too many connections for role");
  // Once more: it still remembers the limit of before.
  expect((await run(stop, owner, { set })).record.result).toBe("done");

  await client.query(
    "create table half (n int check (n > 0)); alter table half add constraint later check (n < 9) not valid",
  );
  const refused = await run(resume, owner, { set });
  expect(refused.record.steps.at(-1)).toMatchObject({ title: "Is every constraint validated", result: "failed" });
  await client.query("alter table half validate constraint later");
  const dryResume = await run(resume, owner, { dryRun: true, set });
  expect([dryResume.record.result, await limit()]).toEqual(["dry run", 0]);
  expect((await run(resume, owner, { set })).record.result).toBe("done");
  expect(await limit()).toBe(7);
  await (await situation.session()).query("select 1");
});

test("emergency: a superuser is refused before anything happens", async () => {
  situation = await makeSituation();
  const { record } = await run(await readPage("emergency"), situation.owner, { set: ["role=postgres"] });
  expect([record.result, record.steps.some(({ changes }) => changes)]).toEqual(["stopped", false]);
});
