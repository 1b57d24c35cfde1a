import { expect, test } from "@jest/globals";
import { outlook } from "../../../toolkit/history/outlook.ts";
import { theilSen } from "../../../toolkit/history/theilSen.ts";
import { hours, makeSeries, perDay } from "./series.ts";

const runs = 60;

/** How often the intervals hold the growth, and the day on which the series, gone on with, first reaches its limit. */
function coverage(kind: keyof ReturnType<typeof makeSeries>, days: number) {
  const seen = { told: 0, growth: 0, date: 0, width: 0 };
  const limit = 200 + 16 * days;
  for (let seed = 1; seed <= runs; seed++) {
    const series = makeSeries(seed)[kind];
    const found = outlook(hours(series, days), limit);
    let hour = days * 24;
    while (series(hour) < limit) hour++;
    const truth = hour / 24 - days;
    if (found.state !== "growing") continue;
    seen.told++;
    if (found.perDayLow! <= perDay && found.perDayHigh! >= perDay) seen.growth++;
    if (found.earliestDays! <= truth && (found.latestDays ?? Number.POSITIVE_INFINITY) >= truth) seen.date++;
    seen.width += (found.latestDays ?? 5 * days) - found.earliestDays!;
  }
  return {
    told: seen.told,
    growth: seen.growth / seen.told,
    date: seen.date / seen.told,
    width: seen.width / seen.told,
  };
}

// Of 60 intervals of 95 %, fewer than 52 are right by chance once in 200 times. True dates lie 17 to 25 days ahead.
const least = 52 / 60;
const cases: [kind: Parameters<typeof coverage>[0], days: number, widest: number][] = [
  ["noisy", 25, 12],
  ["alike", 25, 18],
  ["wandering", 25, 18],
  ["daily", 12, 7],
  ["weekly", 25, 6],
];
for (const [kind, days, widest] of cases)
  test(`the interval for the ${kind} series of ${days} days holds its growth and its end, and is not wide`, () => {
    const { told, growth, date, width } = coverage(kind, days);
    expect(told).toBeGreaterThanOrEqual(runs - 2);
    expect(growth).toBeGreaterThanOrEqual(least);
    expect(date).toBeGreaterThanOrEqual(least);
    expect(width).toBeLessThan(widest);
  });

test("a line without noise ends where it ends", () => {
  const found = outlook(
    hours((hour) => 100 + hour, 10),
    999.5,
  );
  expect(found).toMatchObject({ state: "growing", perDay: expect.closeTo(24), swing: null });
  // It stands at 339, and reaches 1000 in the 662nd hour.
  expect(found.earliestDays!).toBeCloseTo(661 / 24);
  expect(found.latestDays!).toBeCloseTo(662 / 24);
});

test("a number that does not grow has no end, and wild values do not move the line", () => {
  const flat = hours((hour) => 50 + (hour % 5) + (hour % 31 === 0 ? 300 : 0), 10);
  expect(outlook(flat, 10_000)).toMatchObject({ state: "steady", days: null, latestDays: null, earliestDays: null });
  const values = hours((hour) => hour + (hour % 6 === 0 ? 5000 : 0), 5);
  expect(theilSen(values).slope).toBeCloseTo(24, 0);
});

test("an end beyond five times the history is not told", () => {
  const slow = hours((hour) => 100 + hour / 24, 4);
  expect(outlook(slow, 1000)).toMatchObject({ state: "distant", perDay: expect.closeTo(1), days: null });
});

test("a limit that is not known leaves the growth", () => {
  expect(
    outlook(
      hours((hour) => hour, 4),
      undefined,
    ),
  ).toMatchObject({ state: "growing", perDay: 24, days: null, earliestDays: null });
});

test("what is at its limit has run out, however short its history", () => {
  expect(outlook([{ t: 0, y: 100 }], 100)).toMatchObject({ state: "reached", days: 0 });
});

test("less than two days tell nothing, and neither does a swing that was seen less than three times", () => {
  expect(
    outlook(
      hours((hour) => hour, 1.9),
      100,
    ).state,
  ).toBe("too little history");
  expect(outlook([], 100).state).toBe("too little history");
  const { daily } = makeSeries(1);
  expect(outlook(hours(daily, 2.5), 400)).toMatchObject({ state: "seasonal", swing: "day", days: null, perDay: null });
  const { weekly } = makeSeries(1);
  expect(outlook(hours(weekly, 17), 600)).toMatchObject({ state: "seasonal", swing: "week", days: null });
});
