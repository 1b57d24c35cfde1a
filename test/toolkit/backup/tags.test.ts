import { expect, test } from "@jest/globals";
import { fromTags, toTags } from "../../../toolkit/backup/tags.ts";

const texts = {
  reason: "",
  startedAt: "2026-11-24T12:00:00.000Z",
  finishedAt: "",
  serverVersion: "17.10",
  systemIdentifier: "7642011472967116994",
  database: "investment",
  fingerprint: "f".repeat(64),
  head: "0022_weekly_price_summary",
};

test("what tags hold is read back", () => {
  const recorded = {
    ...texts,
    rows: { "public.a": 1, "public.b": 2 },
    bounds: { "public.b": [2, 5] as [number, number] },
  };
  expect(fromTags(toTags(recorded))).toEqual(recorded);
});

test("tags stay within what AWS takes, and what does not fit is left out", () => {
  const rows = Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`public.table_${n}`, n * 1_000_000]));
  const tags = toTags({
    ...texts,
    reason: "why? (because)".repeat(50),
    rows: { 'public."Odd"': 1, ...rows },
    bounds: {},
  });
  expect(tags.length).toBeLessThanOrEqual(45);
  for (const { Value } of tags) {
    expect(Value!.length).toBeLessThanOrEqual(256);
    expect(Value).toMatch(/^[\w .:/=+\-@]+$/);
  }
  const read = fromTags(tags)!;
  expect(Object.keys(read.rows).length).toBeGreaterThan(250);
  expect(rows).toMatchObject(read.rows);
});

test("a snapshot without these tags is somebody else's", () => {
  expect(fromTags([{ Key: "Name", Value: "mine" }])).toBeUndefined();
});
