import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { about, ask } from "./support.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase({ template: "head" });
});
afterAll(() => database.drop());

test("a sequence near the end of the column that it fills is found, though its own range is larger", async () => {
  await database.client.query(`
    create table narrow (id serial primary key);
    alter sequence narrow_id_seq as bigint;
    select setval('narrow_id_seq', 2000000000);
    create table wide (id bigserial primary key);
    select setval('wide_id_seq', 2000000000)`);
  const answer = await ask(database.client, "sequences");
  expect(about("public.wide_id_seq", answer)).toEqual([]);
  expect(about("public.narrow_id_seq", answer)).toMatchObject([
    {
      severity: "critical",
      what: "The sequence public.narrow_id_seq stands at 2,000,000,000 of 2,147,483,647, 93.1 %, and fills public.narrow.id.",
      why: "At its end every insert fails.",
    },
  ]);
});

test("old transaction ids are found in this database, and the table to freeze is named", async () => {
  await database.client.query(`
    create table oldest (id int);
    insert into oldest values (1)`);
  await database.client.query(
    "do $$ begin for n in 1..2000 loop perform pg_current_xact_id(); commit; end loop; end $$",
  );
  const { database: name } = database.connection;
  const answer = await ask(database.client, "wraparound", { "wraparound.age": 2000 });
  expect(about(name, answer)).toMatchObject([
    {
      severity: "warning",
      what: expect.stringMatching(/ ids old, 0 % of what there are\.$/),
      runbook: "wraparound-near",
    },
  ]);
  expect(about(name, answer)[0]!.fix).toMatch(/^vacuum \(freeze\) \w+\.\w+; and the next oldest\./);
  const critical = await ask(database.client, "wraparound", { "wraparound.age": 2000, "wraparound.criticalAge": 2000 });
  expect(about(name, critical)).toMatchObject([{ severity: "critical" }]);
  expect((await ask(database.client, "wraparound")).findings).toEqual([]);
});

test("missing partitions are found before they are needed, with the function that makes them", async () => {
  const fresh = await ask(database.client, "partitions");
  expect(fresh.findings).toEqual([]);
  const { findings } = await ask(database.client, "partitions", { "partitions.aheadDays": 400 });
  expect(about("public.price_history", { findings })).toMatchObject([
    {
      severity: "warning",
      why: "Inserts of later rows fail.",
      fix: "select public.create_partitions_ahead('public.price_history', 12); and see why the upkeep that does so did not run.",
    },
  ]);
});

test("a table whose partitions have ended, and the rows that fell into its default partition, are found", async () => {
  await database.client.query(`
    create schema events;
    create table events.log (at timestamptz, note text) partition by range (at);
    create table events.log_2020 partition of events.log for values from ('2020-01-01') to ('2021-01-01');
    create table events.log_rest partition of events.log default;
    insert into events.log select '2022-05-05', 'x' from generate_series(1, 30)`);
  const answer = await ask(database.client, "partitions");
  expect(about("events.log", answer)).toEqual([
    {
      severity: "critical",
      object: "events.log",
      what: expect.stringMatching(/^events\.log has had no partition for today since 202[01]-\d\d-\d\d\.$/),
      why: "Later rows go to events.log_rest, from where each has to be moved.",
      fix: expect.stringMatching(/^create table … partition of events\.log for values from/),
    },
  ]);
  expect(about("events.log_rest", answer).map(({ what }) => what)).toEqual([
    "About 30 rows of events.log are in its default partition events.log_rest.",
  ]);
});
