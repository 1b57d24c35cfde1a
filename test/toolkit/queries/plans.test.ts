import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { excesses, planModes, readPlan, unusedIndexes } from "../../../toolkit/perf/plans.ts";
import { readerOf } from "../../../toolkit/perf/session.ts";
import { queries } from "../../../toolkit/queries/index.ts";
import { sampleOptions, statementOf } from "../../../toolkit/queries/query.ts";
import type { TestDatabase } from "../../support/database.ts";
import { millionPrices } from "./million.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await millionPrices();
}, 120_000);
afterAll(() => database?.drop());

test("the tables hold a million prices in 180 partitions", async () => {
  const { rows } = await database.client.query(`
    select count(*)::int as prices, (select count(*)::int from pg_inherits where inhparent = 'price_history'::regclass) as months
    from price_history`);
  expect(rows[0].prices).toBeGreaterThan(950_000);
  expect(rows[0].months).toBeGreaterThanOrEqual(180);
});

for (const mode of planModes)
  test.each(queries.map((query) => [query.name, query] as const))(
    `%s reads what it says, with ${mode}`,
    async (_, query) => {
      const options = await sampleOptions(database.client, query);
      const read = await readPlan(readerOf(database.client), statementOf(query, options!), mode);
      expect(unusedIndexes(read, query.expectation)).toEqual([]);
      expect(excesses(read, query.expectation)).toEqual([]);
    },
  );
