import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { createPool, type Pool } from "../../../toolkit/pool/pool.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { failure, until } from "./support.ts";

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createDatabase();
  await database.client.query("create table accounts (id int primary key, balance int)");
  pool = createPool(database.connection);
});
beforeEach(() =>
  database.client.query("truncate accounts; insert into accounts select id, 0 from generate_series(1, 2) id"),
);
afterAll(async () => {
  await pool.end();
  await database.drop();
});

async function balances(): Promise<number[]> {
  const { rows } = await database.client.query("select balance from accounts order by id");
  return rows.map(({ balance }) => balance);
}

/** A place where two transactions meet, the first time only: what comes later passes through. */
function meeting(): () => Promise<void> {
  let arrived = 0;
  return async () => {
    arrived += 1;
    await until(() => arrived >= 2);
  };
}

test("what collides under serializable is repeated until all of it is done", async () => {
  const meet = meeting();
  let attempts = 0;
  const { retries } = pool.getConnectionPoolStatus();
  const add = () =>
    pool.transaction(
      async (client) => {
        attempts += 1;
        const { rows } = await client.query("select balance from accounts where id = 1");
        await meet();
        await client.query("update accounts set balance = $1 where id = 1", [rows[0].balance + 1]);
      },
      { isolation: "serializable" },
    );
  await Promise.all([add(), add()]);
  expect(await balances()).toEqual([2, 0]);
  expect(attempts).toBe(3);
  expect(pool.getConnectionPoolStatus().retries - retries).toBe(1);
});

test("of two transactions in a deadlock, the one that is undone is repeated", async () => {
  await database.client.query(`alter database ${database.connection.database} set deadlock_timeout = '50ms'`);
  const own = createPool(database.connection, { min: 2 });
  const meet = meeting();
  const transfer = (from: number, to: number) =>
    own.transaction(async (client) => {
      await client.query("update accounts set balance = balance - 1 where id = $1", [from]);
      await meet();
      await client.query("update accounts set balance = balance + 1 where id = $1", [to]);
    });
  await Promise.all([transfer(1, 2), transfer(2, 1)]);
  expect(await balances()).toEqual([0, 0]);
  expect(own.getConnectionPoolStatus().retries).toBe(1);
  await own.end();
});

test("a transaction whose retries are used up, or that may have none, throws what the server said", async () => {
  const meet = meeting();
  const add = (retries: number) =>
    pool.transaction(
      async (client) => {
        await client.query("select * from accounts");
        await meet();
        await client.query("update accounts set balance = balance + 1 where id = 1");
      },
      { isolation: "repeatable read", retries },
    );
  const settled = await Promise.allSettled([add(0), add(0)]);
  const refused = settled.filter(({ status }) => status === "rejected") as PromiseRejectedResult[];
  expect(refused.map(({ reason }) => reason.code)).toEqual(["40001"]);
  expect(await balances()).toEqual([1, 0]);
});

test("an error of the work undoes the transaction, is not repeated, and reaches the caller", async () => {
  let attempts = 0;
  const error = await failure(
    pool.transaction(async (client) => {
      attempts += 1;
      await client.query("update accounts set balance = 7");
      throw new Error("of the work");
    }),
  );
  expect([error.message, attempts, await balances()]).toEqual(["of the work", 1, [0, 0]]);
});

test("a transaction that failed and whose error was swallowed is not called committed", async () => {
  const error = await failure(
    pool.transaction(async (client) => {
      await client.query("update accounts set balance = 7");
      await client.query("select 1 / 0").catch(() => {});
    }),
  );
  expect(error.message).toBe(
    `the transaction was rolled back, not committed
  why: One of its statements failed, and its error was caught on the way.
  fix: Let the error through, or set a savepoint before a statement that may fail.`,
  );
  expect(await balances()).toEqual([0, 0]);
});

test("its isolation, read only and statement limit are the transaction's, and nobody's after it", async () => {
  const own = createPool(database.connection, { min: 1, max: 1 });
  const settings = `select current_setting('transaction_isolation') as isolation,
    current_setting('transaction_read_only') as read_only, current_setting('statement_timeout') as timeout`;
  const within = await own.transaction((client) => client.query(settings), {
    isolation: "repeatable read",
    readOnly: true,
    statementTimeout: 1_000,
  });
  const after = await own.query(settings);
  await own.end();
  expect([within.rows, after.rows]).toEqual([
    [{ isolation: "repeatable read", read_only: "on", timeout: "1s" }],
    [{ isolation: "read committed", read_only: "off", timeout: "30s" }],
  ]);
});
