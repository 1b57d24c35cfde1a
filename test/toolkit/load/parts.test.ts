import { expect, test } from "@jest/globals";
import { divided, type Part, partsOf } from "../../../toolkit/load/parts.ts";

const prices = {
  A: ["2000-01-31", "2000-02-01"],
  B: ["2000-02-01", "2000-02-02"],
  C: ["2000-02-01"],
};
const batch = {
  prices: new Map(
    Object.entries(prices).map(([symbol, dates]) => [symbol, new Map(dates.map((date) => [date, date]))]),
  ),
  days: new Map([
    ["2000-01-31", 1],
    ["2000-02-01", 3],
    ["2000-02-02", 1],
  ]),
};
const parts = (tableOf: (month: string) => string | undefined) => [...partsOf(batch as never, tableOf)];
const shown = ({ table, prices, size, firstDate, lastDate }: Part) => ({
  ...{ table, size, dates: `${firstDate} ${lastDate}` },
  prices: [...prices].map(([symbol, lines]) => [symbol, ...lines].join(" ")),
});

test("a batch is one part, but for the months that are filled apart", () => {
  expect(parts(() => undefined)).toHaveLength(1);
  expect(parts((month) => (month === "2000-01" ? "deploy.load_2000_01" : undefined)).map(shown)).toEqual([
    { table: "deploy.load_2000_01", size: 1, dates: "2000-01-31 2000-01-31", prices: ["A 2000-01-31"] },
    {
      ...{ table: "price_history", size: 4, dates: "2000-02-01 2000-02-02" },
      prices: ["A 2000-02-01", "B 2000-02-01 2000-02-02", "C 2000-02-01"],
    },
  ]);
});

test("a part is looked at without the stock and without the day that the file was cut in", () => {
  const table = "price_history";
  const [part] = parts(() => undefined);
  expect([...divided(part!)].map((halves) => halves.map(shown))).toEqual([
    [
      { table, size: 2, dates: "2000-01-31 2000-02-01", prices: ["A 2000-01-31 2000-02-01"] },
      { table, size: 3, dates: "2000-02-01 2000-02-02", prices: ["B 2000-02-01 2000-02-02", "C 2000-02-01"] },
    ],
    [
      { table, size: 1, dates: "2000-01-31 2000-01-31", prices: ["A 2000-01-31"] },
      {
        ...{ table, size: 4, dates: "2000-02-01 2000-02-02" },
        prices: ["A 2000-02-01", "B 2000-02-01 2000-02-02", "C 2000-02-01"],
      },
    ],
  ]);
});
