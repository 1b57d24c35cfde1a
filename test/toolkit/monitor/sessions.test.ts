import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type pg from "pg";
import { connect } from "../../../toolkit/connection.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { ask, until, untilWaiting } from "./support.ts";

let database: TestDatabase;
const others: pg.Client[] = [];

beforeAll(async () => {
  database = await createDatabase();
  await database.client.query("create table accounts (id int, note text)");
});
afterAll(async () => {
  await Promise.all(others.map((client) => client.end()));
  await database.drop();
});

async function session(applicationName: string): Promise<pg.Client> {
  const client = await connect(database.connection, { applicationName });
  others.push(client);
  return client;
}

const pidOf = async (client: pg.Client) =>
  (await client.query<{ pid: number }>("select pg_backend_pid() as pid")).rows[0]!.pid;

test("locks show the tree of those who wait, and name the culprit without what it wrote", async () => {
  const [culprit, first, second] = [await session("culprit"), await session("first"), await session("second")];
  const [root, middle, leaf] = await Promise.all([culprit, first, second].map(pidOf));
  await culprit.query("begin");
  await culprit.query("lock table accounts /* 'secret' */ in row exclusive mode");
  const waiting = first.query("begin; alter table accounts add column more int; commit");
  await untilWaiting(database.client, 1);
  const behind = second.query("select from accounts");
  await untilWaiting(database.client, 2);

  const calm = await ask(database.client, "locks");
  expect(calm.findings).toEqual([]);
  const { rows, findings } = await ask(database.client, "locks", { "locks.waitSeconds": 0 });
  expect(rows).toMatchObject([
    { pid: root, depth: 0, waiting: 2, blockedBy: [], application: "culprit", state: "idle in transaction" },
    { pid: middle, depth: 1, waiting: 1, blockedBy: [root] },
    { pid: leaf, depth: 2, waiting: 0, blockedBy: [middle] },
  ]);
  expect(findings).toEqual([
    {
      severity: "warning",
      object: `session ${root}`,
      what: `2 sessions wait for a lock of session ${root} (postgres, idle in transaction), the longest for 0 s; its last statement: lock table accounts /* '…' */ in row exclusive mode.`,
      why: "Whoever waits holds locks of its own, and others queue behind it: to end the culprit frees them all.",
      fix: `select pg_cancel_backend(${root}); and, if it is idle in a transaction, select pg_terminate_backend(${root});`,
      runbook: "lock-pile-up",
    },
  ]);
  const critical = await ask(database.client, "locks", { "locks.waitSeconds": 0, "locks.criticalSessions": 2 });
  expect(critical.findings).toMatchObject([{ severity: "critical" }]);
  await culprit.query("rollback");
  await Promise.all([waiting, behind]);
});

test("a transaction that sits idle and one that runs long are found, and a short one is not", async () => {
  const idle = await session("forgetful");
  await idle.query("begin");
  await idle.query("select 'a secret'");
  const long = await session("report");
  const running = long.query("select pg_sleep(30)").catch(() => {});
  await until(async () => {
    const { rowCount } = await database.client.query(
      "select from pg_stat_activity where application_name = 'report' and wait_event = 'PgSleep'",
    );
    return rowCount === 1;
  });
  const none = await ask(database.client, "transactions");
  expect(none.findings).toEqual([]);
  const limits = { "transactions.idleSeconds": 0, "transactions.longSeconds": 0 };
  const { findings } = await ask(database.client, "transactions", limits);
  expect(findings.map(({ what }) => what)).toEqual([
    expect.stringMatching(
      /^Session \d+ \(forgetful\) has been idle in a transaction for 0 s; its statement: select '…'\.$/,
    ),
    expect.stringMatching(
      /^A transaction of session \d+ \(report\) has been open for 0 s, and \d+ others began since; its statement: select pg_sleep\(30\)\.$/,
    ),
  ]);
  const critical = await ask(database.client, "transactions", { ...limits, "transactions.criticalSeconds": 0 });
  expect(critical.findings.map(({ severity }) => severity)).toEqual(["critical", "critical"]);
  await database.client.query("select pg_cancel_backend(pid) from pg_stat_activity where application_name = 'report'");
  await running;
  await idle.query("rollback");
});

test("a database whose connections are nearly all taken is found, and so are sessions that nobody uses", async () => {
  const { database: name } = database.connection;
  await database.client.query(`alter database ${name} connection limit 4`);
  await session("fourth");
  const used = (await database.client.query("select from pg_stat_activity where datname = current_database()"))
    .rowCount!;
  await database.client.query(`alter database ${name} connection limit ${used}`);
  const { findings } = await ask(database.client, "connections", {
    "connections.idleSeconds": 0,
    "connections.idleSessions": 1,
  });
  expect(findings.filter(({ object }) => object === name)).toEqual([
    {
      severity: "critical",
      object: name,
      what: `${used} of the ${used} connections of the database ${name} are taken, 100 %.`,
      why: "When none is left, clients get an error; and each session costs memory and time even while it is idle.",
      fix: "End what does nothing, and make pools smaller; raise the limit last.",
      runbook: "pool-exhausted",
    },
  ]);
  expect(findings.at(-1)!.what).toMatch(/^\d+ sessions have been idle for more than 0 s, the oldest for/);
  await database.client.query(`alter database ${name} connection limit -1`);
});
