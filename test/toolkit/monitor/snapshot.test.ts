import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { connect } from "../../../toolkit/connection.ts";
import { questions } from "../../../toolkit/monitor/questions.ts";
import { snapshot } from "../../../toolkit/monitor/snapshot.ts";
import type { Queryable } from "../../../toolkit/queryable.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase({ template: "head" });
});
afterAll(() => database.drop());

/** The session, and how many statements went through it. */
function counting() {
  const seen = { statements: 0 };
  const query = (...args: Parameters<Queryable["query"]>) => {
    seen.statements++;
    return database.client.query(...args);
  };
  return { seen, client: { query } as Queryable };
}

const answered = (taken: Awaited<ReturnType<typeof snapshot>>) =>
  Object.entries(taken.answers).filter(([, { unavailable }]) => unavailable === undefined).length;

test("a snapshot answers every question as plain data, and leaves the session as it was", async () => {
  const taken = await snapshot(database.client);
  expect(Object.keys(taken.answers)).toEqual(questions.map(({ name }) => name));
  expect(JSON.parse(JSON.stringify(taken))).toEqual(taken);
  expect(taken.server).toMatchObject({ database: database.connection.database, role: "primary", seesSessions: true });
  // The server that tests share does not count statements.
  const silent = Object.entries(taken.answers).filter(([, { unavailable }]) => unavailable);
  expect(silent.map(([name, { unavailable }]) => [name, unavailable])).toEqual([
    [
      "slow-queries",
      "Statements are not counted: add pg_stat_statements to shared_preload_libraries, and restart the server.",
    ],
  ]);
  const { rows } = await database.client.query(
    "select current_setting('statement_timeout') as timeout, current_setting('search_path') as path, now() = statement_timestamp() as fresh",
  );
  expect(rows).toEqual([{ timeout: "0", path: '"$user", public', fresh: true }]);
});

test("the number of statements does not depend on the number of tables", async () => {
  const few = counting();
  await snapshot(few.client);
  await database.client.query("select create_partitions_ahead('price_history', 60)");
  const many = counting();
  await snapshot(many.client);
  expect(many.seen.statements).toBe(few.seen.statements);
  expect(many.seen.statements).toBeLessThan(25);
});

test("a role that may see nothing gets an answer where it can, and is told what would allow the rest", async () => {
  await database.client.query("create role onlooker login password 'onlooks'");
  const onlooker = await connect({ ...database.connection, user: "onlooker", password: "onlooks" });
  try {
    const { answers } = await snapshot(onlooker);
    expect(answers.locks!.unavailable).toBe(
      "Other users' sessions are hidden from this role: grant pg_monitor to it (on RDS as well) to see them.",
    );
    expect(answers.sizes!.rows.length).toBeGreaterThan(0);
  } finally {
    await onlooker.end();
    await database.client.query("drop role onlooker");
  }
});

test("a question that the server refuses does not take the others with it", async () => {
  const refused = { name: "refused", title: "", thresholds: {}, ask: (look: Queryable) => look.query("select 1 / 0") };
  const ask = [questions[0]!, refused as never, ...questions.slice(1)];
  const taken = await snapshot(database.client, { ask });
  expect(taken.answers.refused).toEqual({ rows: [], findings: [], unavailable: "division by zero (SQLSTATE 22012)." });
  expect(answered(taken)).toBe(questions.length - 1);
});

test("a table that is locked against everybody holds nothing up", async () => {
  const blocker = await connect(database.connection);
  await blocker.query("begin; lock table price_history in access exclusive mode");
  const taken = await snapshot(database.client);
  expect(answered(taken)).toBe(questions.length - 1);
  expect(taken.answers.partitions!.rows).toContainEqual(expect.objectContaining({ object: "public.price_history" }));
  await blocker.end();
});
