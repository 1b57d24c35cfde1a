import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type Advice, advise } from "../../../toolkit/advise/advise.ts";
import { compare, deviationOf } from "../../../toolkit/advise/comparison.ts";
import type { Question, Times } from "../../../toolkit/advise/times.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";

let database: TestDatabase;
let advice: Advice;

beforeAll(async () => {
  database = await createDatabase();
  const { client } = database;
  // Readings come in the order of their time; the payments of an account lie on a page each.
  await client.query(`
    create table readings (at timestamptz not null, sensor int not null, note text);
    insert into readings select timestamptz '2024-01-01' + n * interval '1 minute', n % 50, repeat('x', 120)
      from generate_series(1, 60000) n;
    create table payments (id int not null, account int not null, amount int not null, note text);
    insert into payments select n, n * 19 % 100, n % 97, repeat('y', 300) from generate_series(1, 25000) n;
    create table letters (number int not null, digits text not null);
    insert into letters select n, (select string_agg(md5((n * m)::text), '') from generate_series(1, 12) m)
      from generate_series(1, 12000) n;
    create index letters_number_idx on letters (number);
    create index letters_number_digits_idx on letters (number, digits)`);
  await client.query("vacuum (analyze)");
  const statements = [
    {
      text: "select avg(sensor) from readings where at >= $1 and at < $2",
      values: ["2024-01-20", "2024-01-24"],
      calls: 50,
    },
    { text: "select sum(amount) from payments where account = $1", values: [7], calls: 50 },
    { text: "select count(*) from letters where number > $1", values: [0], calls: 50 },
  ];
  // Room for a B-tree of the payments, and not for one of the readings.
  advice = await advise(database.connection, statements, { samples: 100_000, budget: 2 ** 20 });
}, 60_000);
afterAll(() => database.drop());

const advised = (table: string) => advice.indexes.filter((index) => index.table === `public.${table}`);

test("on a table in the order of time, a BRIN index wins where the bytes of a B-tree are too many", async () => {
  const [index, ...others] = advised("readings");
  expect([index!.definition, others]).toEqual(["readings using brin (at)", []]);
  expect(index!.workload.without - index!.workload.with).toBeGreaterThan(index!.workload.noise);
  await database.client.query("create index as_btree on readings (at)");
  const { rows } = await database.client.query("select pg_relation_size('as_btree')::int as bytes");
  expect(rows[0].bytes).toBeGreaterThan(2 ** 20);
  expect(index!.bytes.whole).toBeLessThan(rows[0].bytes / 20);
});

test("where each row lies on a page of its own, the index that holds what is asked for wins", async () => {
  const [index, ...others] = advised("payments");
  expect([index!.definition, others]).toEqual(["payments (account) include (amount)", []]);
  expect(index!.workload.without - index!.workload.with).toBeGreaterThan(index!.workload.noise);
  const { client } = database;
  await client.query("vacuum payments");
  const buffers = async (columns: string) => {
    await client.query(`create index on ${columns}`);
    const { rows } = await client.query(
      "explain (analyze, buffers, format json) select sum(amount) from payments where account = 7",
    );
    const [{ Plan: plan }] = rows[0]["QUERY PLAN"];
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"];
  };
  const plain = await buffers("payments (account)");
  expect(await buffers(index!.definition)).toBeLessThan(plain / 20);
});

test("an index whose key another one begins with is kept where the workload would miss it", () => {
  expect(advice.drops).toEqual([]);
});

/** Times of one statement, with and without an index: the runs of each round. */
function given(withIt: number[], without: number[]) {
  let isThere = true;
  let measured = 0;
  const times = {
    async runs(_: Question, again: boolean) {
      if (again) measured++;
      return { key: String(isThere), ms: isThere ? withIt : without };
    },
  };
  const show = async (it: boolean) => {
    isThere = it;
  };
  return { compared: compare(times as unknown as Times, [{} as Question], show, () => 0), measured: () => measured };
}

test("a gain counts beyond the noise of the runs; in doubt both sides are measured again, in turns", async () => {
  const clear = given([10, 10.1, 9.9, 10, 10.2], [12, 12.1, 11.9, 12, 12.2]);
  expect(await clear.compared).toMatchObject({ with: 10, without: 12 });
  expect((await clear.compared).noise).toBeLessThan(0.5);
  expect(clear.measured()).toBe(0);
  const doubtful = given([10, 14, 9, 13, 11], [11, 15, 10, 14, 12]);
  const { with: withIt, without, noise } = await doubtful.compared;
  expect(noise).toBeGreaterThan(without - withIt);
  expect(doubtful.measured()).toBe(8);
});

test("the median of many runs is surer than that of few, and of one or two nothing is known but what is usual", () => {
  const runs = [9, 10, 11, 10.5, 9.5];
  expect(deviationOf([...runs, ...runs, ...runs, ...runs])).toBeCloseTo(deviationOf(runs) / 2);
  expect(deviationOf([30])).toBeCloseTo(2);
});
