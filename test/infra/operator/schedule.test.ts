import { expect, test } from "@jest/globals";
import { loadConfig } from "../../../infra/config.ts";
import { checkSchedule, gapsOf, patienceOf, runsPerMonth } from "../../../infra/operator/schedule.ts";

test.each([
  ["cron(17 5 * * ? *)", [24], 27, "30.4"],
  ["cron(17 5 ? * * *)", [24], 27, "30.4"],
  ["cron(0 22,4,10 * * ? *)", [6, 12, 6], 15, "91.3"],
  ["cron(0 */6 * * ? *)", [6, 6, 6, 6], 9, "121.7"],
  ["cron(30 * * * ? *)", Array(24).fill(1), 4, "730.0"],
  ["rate(12 hours)", [12], 15, "60.8"],
  ["rate(6 days)", [144], 147, "5.1"],
  ["rate(90 minutes)", [1.5], 5, "486.7"],
])("%s leaves these hours between its runs, and is missed after some more", (expression, gaps, patience, runs) => {
  expect(gapsOf(expression)).toEqual(gaps);
  expect(checkSchedule(expression)).toBeUndefined();
  expect(patienceOf(expression)).toBe(patience);
  expect(runsPerMonth(gaps).toFixed(1)).toBe(runs);
});

test.each([
  ["at(2026-11-24T05:00:00)", "it is neither a cron(…) of every day nor a rate(…)"],
  ["cron(17 5 * * *)", "it is neither a cron(…) of every day nor a rate(…)"],
  ["cron(17 5 ? * SUN *)", "it is neither a cron(…) of every day nor a rate(…)"],
  ["cron(60 5 * * ? *)", "it is neither a cron(…) of every day nor a rate(…)"],
  ["cron(0 25 * * ? *)", "it is neither a cron(…) of every day nor a rate(…)"],
  ["rate(5 minutes)", "a run may take an hour"],
  ["rate(7 days)", "the alarm for runs that do not come looks back seven days"],
])("%s is refused: %s", (expression, reason) => {
  expect(checkSchedule(expression)?.reason).toBe(reason);
});

const rds = { "database:server": "rds", "aws:region": "eu-central-1" };
const mistakesOf = (values: Record<string, string>) => {
  try {
    loadConfig(values);
  } catch (error) {
    return (error as Error).message.split("\n").slice(1);
  }
  return [];
};

test("a schedule, a zone, an interval and an image that cannot be are told at once", () => {
  expect(
    mistakesOf({
      ...rds,
      "database:operatorImage": "operator:latest",
      "database:maintenanceSchedule": "daily",
      "database:maintenanceTimeZone": "Berlin",
      "database:metricsInterval": "0",
    }),
  ).toEqual([
    "  database:operatorImage = operator:latest: latest is another image every week; name the version, like 1.4.0",
    "  database:maintenanceSchedule = daily: it is neither a cron(…) of every day nor a rate(…); write it like cron(17 5 * * ? *), each day at 05:17, or rate(12 hours)",
    "  database:maintenanceTimeZone = Berlin: there is no such time zone; write it like UTC or Europe/Berlin",
    "  database:metricsInterval = 0: it is not between 1 and 60; give minutes in that range",
  ]);
});

test("an operator that cannot be, and a schedule without one, are refused", () => {
  const elsewhere = "ghcr.io/team/operator:1.4.0";
  expect(mistakesOf({ ...rds, "database:operatorImage": elsewhere })).toEqual([
    `  database:operatorImage = ${elsewhere}: the stack's own VPC has no way to the internet, and only Amazon ECR in eu-central-1 can be reached; name a tag in the stack's repository, or an image of ECR there`,
  ]);
  const inTheirVpc = { ...rds, "database:subnetIds": '["subnet-1a","subnet-2b"]', "database:operatorImage": elsewhere };
  expect(mistakesOf(inTheirVpc)).toEqual([]);
  expect(mistakesOf({ "database:operatorImage": "1.4.0" })).toEqual([
    "  database:operatorImage = 1.4.0: its containers run on AWS, and the server is embedded; remove it, and call `toolkit maintain` from cron",
  ]);
  expect(mistakesOf({ ...rds, "database:metricsInterval": "1" })).toEqual([
    "  database:metricsInterval = 1: nothing runs by it: operatorImage is empty; set operatorImage, or remove it",
  ]);
});
