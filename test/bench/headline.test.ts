import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type pg from "pg";
import { type Databases, makeDatabases } from "../../bench/headline/databases.ts";
import type { Headline } from "../../bench/headline/index.ts";
import { makeListings, tradingDays, walk } from "../../bench/headline/market.ts";
import { page } from "../../bench/headline/page.ts";
import { tableLines } from "../../bench/headline/table.ts";
import { difference, type Request, workload } from "../../bench/headline/workload.ts";
import { connect } from "../../toolkit/connection.ts";
import { browser, look } from "../support/browser.ts";
import { testServer } from "../support/database.ts";

let databases: Databases;
let [before, after]: pg.Client[] = [];
let requests: Request[];

beforeAll(async () => {
  databases = await makeDatabases(testServer(), {
    prices: 30_000,
    indicators: 15_000,
    recommendations: 400,
    apiCalls: 2_000,
  });
  [before, after] = [await connect(databases.before), await connect(databases.after)];
  requests = await workload(after);
}, 60_000);

afterAll(async () => {
  await Promise.all([before?.end(), after?.end()]);
  await databases?.drop();
});

test("every request of the application has the same answer before and after, and not an empty one", async () => {
  const found = [];
  for (const request of requests) {
    const [old, now] = [await request.before(before!), await request.after(after!)];
    found.push({ name: request.name, empty: old.length === 0, difference: difference(old, now) });
  }
  expect(found.filter((each) => each.empty || each.difference)).toEqual([]);
  expect(found.length).toBe(10);
});

test("an answer that differs in one figure of one row is told", async () => {
  const request = requests.find(({ name }) => name === "price-range")!;
  const old = await request.before(before!);
  const now = (await request.after(after!)) as { movingAverage: number }[];
  now[50]!.movingAverage *= 1 + 1e-6;
  expect(difference(old, now)).toMatch(/^row 51, movingAverage: [\d.]+ before, [\d.]+ after$/);
});

test("the market is the same for the same seed: with gaps, splits, young and delisted stocks", () => {
  const days = tradingDays(new Date("2026-01-02"));
  const listings = makeListings(100_000, days.length, 7);
  const quotes = [...walk(listings, days.length, 7)].flat();
  const again = [...walk(makeListings(100_000, days.length, 7), days.length, 7)].flat();
  expect(JSON.stringify(again) === JSON.stringify(quotes)).toBe(true);
  expect(JSON.stringify([...walk(listings, 3, 8)]) === JSON.stringify([...walk(listings, 3, 7)])).toBe(false);
  expect(Math.abs(quotes.length / 100_000 - 1)).toBeLessThan(0.05);
  expect(listings.filter(({ endDay }) => endDay < days.length).length).toBeGreaterThan(2);
  expect(listings.filter(({ firstDay }) => firstDay > 0).length).toBeGreaterThan(5);
  const splits = quotes.filter(({ close, adjusted }) => close > 0 && adjusted / 10_000 / close > 2);
  expect(splits.length).toBeGreaterThan(100);
  expect(
    quotes.filter(({ low, high, open, close }) => low > Math.min(open, close) || high < Math.max(open, close)),
  ).toEqual([]);
  expect(new Set(listings.map(({ symbol }) => symbol)).size).toBe(listings.length);
});

const side = (p50: number) => ({
  runs: 9,
  p50,
  p95: p50 * 1.5,
  p99: p50 * 2,
  buffers: p50 * 10,
  plan: ["Seq Scan on <stocks>"],
});
const use = (utilisation: number) => ({ rate: 2, seconds: 15, offered: 30, answered: 20, utilisation, waiting: 3 });
const shares = (sequentialScans: number) => ({
  ...{ indexUsage: 100 - sequentialScans, sequentialScans },
  ...{ largeIndexUsage: 100 - sequentialScans, largeSequentialScans: sequentialScans },
});
const headline: Headline = {
  ...{ takenAt: "2026-01-02T03:04:05Z", server: "17.10", cpus: 2, seconds: { load: 60, migrate: 90 } },
  sizes: { prices: 1_000_000, indicators: 500_000, recommendations: 20_000, apiCalls: 100_000 },
  requests: [
    { name: "latest-data", rows: 5, before: side(4_000), after: side(2), ratio: 2_000 },
    { name: "price-range", rows: 260, before: side(50), after: side(10), ratio: 5 },
  ],
  ratio: 100,
  scans: { before: shares(75), after: shares(2) },
  pool: { before: use(98), after: use(3) },
};

test("the table says of each aim whether it is met", () => {
  expect(tableLines(headline).filter((line) => /^(met|MISSED)/.test(line))).toEqual([
    "met     geometric mean of the ratios at least 100: 100",
    "MISSED  no ratio under 10: 5.0",
    "met     every p95 after under 50 ms: 15.0 ms",
    "met     index usage at least 95 %: 98.0 %, was 25.0 %",
    "met     sequential scans under 5 %: 2.0 %, was 75.0 %",
    "met     pool under 30 % at the same load: 3.0 %, was 98.0 %",
  ]);
});

const inBrowser = browser ? test : test.skip;

inBrowser(
  "a browser draws the page: three plots, the table and the verdicts, with nothing from elsewhere",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "headline-page-"));
    try {
      const file = join(folder, "headline.html");
      const smaller = { ...headline, sizes: { ...headline.sizes, prices: 300_000 } };
      await writeFile(file, page(headline, [smaller]));
      const { dom, screenshot } = await look(file);
      expect(dom.match(/<svg /g)).toHaveLength(3);
      expect(dom.match(/<path[^>]* fill="#b4483c"/g)!.length).toBeGreaterThanOrEqual(2);
      expect(dom).toContain("100 times faster");
      expect(dom).toContain("Seq Scan on &lt;stocks&gt;");
      expect(dom).not.toMatch(/(src|href)="https?:/);
      // A blank page of this size packs to a few kilobytes.
      expect(screenshot.length).toBeGreaterThan(40_000);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  30_000,
);
