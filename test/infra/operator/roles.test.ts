import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { recordOnce } from "../../../toolkit/history/recorder.ts";
import { maintain } from "../../../toolkit/maintain/maintain.ts";
import { metricData } from "../../../toolkit/metrics/cloudwatch.ts";
import { Sampler } from "../../../toolkit/status/sampler.ts";
import { makeRoles, newPlace, type Place, removePlaces } from "../roles/server.ts";

// The containers enter as roles of infra/roles/table.ts: what they do has to be within their rights.
let place: Place;
beforeAll(async () => {
  jest.spyOn(console, "log").mockImplementation(() => {});
  const made = await newPlace("head");
  // Whoever made the schema hands it on: here the superuser.
  place = await makeRoles(made, made.database.connection);
});
afterAll(removePlaces);

test("the monitor sees every figure that is sent, also of other users' sessions", async () => {
  const { client } = place.database;
  await client.query("begin; select 1");
  const sampler = new Sampler(place.as("monitor"), {}, "metrics");
  const taken = await sampler.sample().finally(() => sampler.close());
  await client.query("commit");
  const sent = new Map(metricData(taken, "db").map(({ MetricName, Value }) => [MetricName, Value]));
  expect([...sent.keys()]).toEqual(
    expect.arrayContaining(["ConnectionsUsed", "CacheHits", "OldestTransaction", "TableHealth", "PartitionsAhead"]),
  );
  expect(sent.get("IdleInTransaction")).toBeGreaterThan(0);
});

test("the migrator maintains what the owner owns, and records the history", async () => {
  const { client } = place.database;
  await client.query("insert into stocks (symbol, name) values ('ONE', 'One')");
  const missing = await client.query(
    "select partition::text as name from partition_bounds('public.price_history') where from_date > current_date order by from_date limit 1",
  );
  await client.query(`drop table ${missing.rows[0].name}`);
  await client.query(
    "insert into price_history (stock_id, date, open, high, low, close, volume) select 1, current_date, 1, 1, 1, 1, 1",
  );
  const options = { backup: { kind: "auto", directory: ".local/backups" }, archive: false } as const;
  const { steps } = await maintain(place.as("migrator"), options);
  expect(steps.map(({ task, result, note }) => [task, result, note])).toEqual([
    ["partitions", "done", undefined],
    ["summaries", "done", undefined],
  ]);
  const recorded = await recordOnce(place.as("migrator"), {});
  expect(recorded.numbers).toBeGreaterThan(10);
});
