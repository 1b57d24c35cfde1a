import { expect, test } from "@jest/globals";
import { boundsOf, rowDifferences, takeCensus } from "../../../toolkit/backup/rows.ts";
import { createDatabase } from "../../support/database.ts";
import { afterwards } from "./support.ts";

const census = (rows: Record<string, number>, activity: Record<string, [number, number, string?]>) => ({
  rows,
  activity: new Map(
    Object.entries(activity).map(([name, [inserted, deleted, files = "a"]]) => [name, { inserted, deleted, files }]),
  ),
});

test("the bounds of a table follow from what was inserted and deleted between two moments", () => {
  const before = census(
    { still: 5, grown: 5, churned: 5, emptied: 5, gone: 5, reset: 5 },
    { still: [5, 0], grown: [5, 0], churned: [9, 4], emptied: [5, 0], gone: [5, 0], reset: [5, 0] },
  );
  const after = census(
    { still: 5, grown: 8, churned: 5, emptied: 5, reset: 5 },
    { still: [5, 0], grown: [8, 0], churned: [12, 7], emptied: [5, 0, "b"], reset: [1, 0] },
  );
  expect(boundsOf(before, after)).toEqual({
    grown: [5, 8],
    churned: [2, 8],
    emptied: [0, 5],
    gone: [0, Number.MAX_SAFE_INTEGER],
    reset: [0, Number.MAX_SAFE_INTEGER],
  });
});

test("rows outside the bounds and missing tables are differences; tables that came later are none", () => {
  const expected = {
    rows: { a: 5, b: 5, c: 5, d: 5 },
    bounds: { b: [5, 8], c: [5, 8] } as Record<string, [number, number]>,
  };
  expect(rowDifferences(expected, { a: 6, b: 8, c: 9, e: 1 })).toEqual([
    "a has 6 rows, not 5",
    "c has 9 rows, not 5 to 8",
    "d is missing",
  ]);
});

test("a table that is filled and emptied meanwhile shows in the server's counters", async () => {
  const { client, drop } = await createDatabase();
  afterwards(drop);
  await client.query(`create table "Odd.Name" (id int); create table parts (id int) partition by list (id);
    create table parts_1 partition of parts for values in (1); insert into parts values (1), (1)`);
  await client.query("select pg_stat_force_next_flush()");
  const before = await takeCensus(client, "before");
  await client.query(
    `insert into "Odd.Name" select generate_series(1, 3); delete from "Odd.Name"; insert into parts values (1)`,
  );
  await client.query("select pg_stat_force_next_flush()");
  const after = await takeCensus(client, "after");
  expect(before.rows).toEqual({ 'public."Odd.Name"': 0, "public.parts": 2 });
  expect(boundsOf(before, after)).toEqual({ 'public."Odd.Name"': [0, 3], "public.parts": [2, 3] });
});
