import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Connection } from "../../../toolkit/connection.ts";
import { createPool, type Pool } from "../../../toolkit/pool/pool.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { type PgBouncer, pgbouncerInstalled, startPgBouncer } from "../../support/pgbouncer.ts";
import { failure, until } from "./support.ts";

const where = pgbouncerInstalled ? describe : describe.skip;

where("behind a PgBouncer in transaction mode (skipped where none is installed)", () => {
  let database: TestDatabase;
  let bouncer: PgBouncer;
  let pool: Pool;
  let through: Connection;

  beforeAll(async () => {
    database = await createDatabase();
    bouncer = await startPgBouncer(database.connection);
    through = bouncer.connection;
    pool = createPool(through, { pgbouncer: true });
  });
  afterAll(async () => {
    await pool?.end();
    await bouncer?.stop();
    await database?.drop();
  });

  test("sessions start, which they do not with settings that PgBouncer does not know", async () => {
    await pool.ready();
    expect(pool.getConnectionPoolStatus()).toMatchObject({ total: 8, outage: undefined });
    const plain = createPool(through, { min: 1 });
    expect((await failure(plain.ready())).message).toMatch(/unsupported startup parameter/);
    await plain.end();
  });

  test("a statement that is named, as for a prepared one, runs on whatever backend there is", async () => {
    const all = Array.from({ length: 60 }, (_, n) =>
      pool.query({ name: "same", text: "select $1::int as n, pg_backend_pid() as pid, pg_sleep(0.001)", values: [n] }),
    );
    const rows = (await Promise.all(all)).map((result) => result.rows[0]);
    expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: 60 }, (_, n) => n));
    expect(new Set(rows.map(({ pid }) => pid)).size).toBe(2);
  });

  test("in a transaction the statement limit holds, and it leaves none behind", async () => {
    const slow = pool.transaction((client) => client.query("select pg_sleep(5)"), { statementTimeout: 50 });
    await expect(slow).rejects.toMatchObject({ code: "57014" });
    const left = await pool.query("select current_setting('statement_timeout') as timeout");
    expect(left.rows).toEqual([{ timeout: "0" }]);
  });

  test.each([
    ["set search_path = public", /SET and RESET outlast/],
    ["select 1; reset work_mem", /SET and RESET outlast/],
    ["select set_config('work_mem', '1MB', false)", /set_config/],
    ["listen prices", /LISTEN belongs to a session/],
    ["select pg_advisory_lock(1)", /advisory lock stays/],
    ["select pg_try_advisory_lock(1)", /advisory lock stays/],
    ["prepare q as select 1", /PREPARE, DEALLOCATE and EXECUTE/],
    ["declare c cursor with hold for select 1", /cursor WITH HOLD/],
    ["create temp table t (n int)", /temporary table outlasts/],
    ["discard all", /LOAD and DISCARD/],
  ])("%s is refused before it is sent", async (text, reason) => {
    expect((await failure(pool.query(text))).message).toMatch(reason);
  });

  test("a refusal says what, why and what to do instead", async () => {
    expect((await failure(pool.query("set role = 'admin'"))).message).toBe(
      `refused behind PgBouncer in transaction mode: set role = '…'
  why: SET and RESET outlast the transaction (https://www.pgbouncer.org/features.html).
  fix: Use \`set local\` in a transaction, or \`alter role … set …\`.`,
    );
  });

  test("what ends with its transaction is not refused", async () => {
    await pool.transaction(async (client) => {
      await client.query("set local work_mem = '1MB'");
      await client.query("select pg_advisory_xact_lock(1), set_config('work_mem', '2MB', true)");
      await client.query("create temp table t (n int) on commit drop; update t set n = 1");
      await client.query("select 'set x = 1; listen y' as text");
    });
  });

  test("a killed backend costs the statement in flight, and no other", async () => {
    const running = failure(pool.query("select pg_sleep(10)"));
    await until(() => pool.getConnectionPoolStatus().holders[0]?.state === "running");
    await until(async () => {
      const { rows } = await database.client.query(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity where query = 'select pg_sleep(10)' and pid <> pg_backend_pid()",
      );
      return rows.length > 0;
    });
    expect((await running).message).toMatch(/terminat|server conn crashed/);
    const after = await Promise.all(Array.from({ length: 30 }, () => pool.query("select 1 as one")));
    expect(after.every(({ rows }) => rows[0].one === 1)).toBe(true);
  });
});
