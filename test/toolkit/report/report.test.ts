import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import type { Context } from "../../../toolkit/cli.ts";
import { makeDays } from "../../../toolkit/history/days.ts";
import { recordSnapshot } from "../../../toolkit/history/record.ts";
import { ensureHistory } from "../../../toolkit/history/schema.ts";
import { readPlan } from "../../../toolkit/monitor/plans/plan.ts";
import { queryPlans } from "../../../toolkit/monitor/queryPlans.ts";
import { slowQueries } from "../../../toolkit/monitor/slowQueries.ts";
import { command } from "../../../toolkit/report/command.ts";
import { type History, readHistory, thinned } from "../../../toolkit/report/history.ts";
import { html, table } from "../../../toolkit/report/html.ts";
import { page } from "../../../toolkit/report/page.ts";
import { type Report, scoreOf } from "../../../toolkit/report/report.ts";
import { browser, look } from "../../support/browser.ts";
import { hostileName, type Ill, makeIll } from "../status/illness.ts";

let ill: Ill;
let folder: string;
const context = {
  backup: { kind: "auto", directory: "" },
  thresholds: { "locks.waitSeconds": 0 },
} as unknown as Context;

beforeAll(async () => {
  ill = await makeIll();
  folder = await mkdtemp(join(tmpdir(), "report-"));
});
afterAll(async () => {
  await ill.cure();
  await rm(folder, { recursive: true });
});
afterEach(() => {
  jest.restoreAllMocks();
});

async function report(...argv: string[]): Promise<{ code: number; output: string }> {
  let output = "";
  jest.spyOn(process.stderr, "write").mockReturnValue(true);
  jest.spyOn(process.stdout, "write").mockImplementation((text) => {
    output += text;
    return true;
  });
  const code = await command(["--seconds", "0.1", ...argv], ill.connection, context);
  return { code, output };
}

test("report writes a page and the same as JSON, which leads to the runbooks from where it lies", async () => {
  const { code, output } = await report("--output", folder);
  expect(code).toBe(0);
  const files = output.trim().split("\n");
  expect(files).toEqual(
    ["html", "json"].map((end) =>
      expect.stringMatching(new RegExp(`database_report_test_\\w+_\\d{8}T\\d{6}Z\\.${end}$`)),
    ),
  );
  expect((await readdir(folder)).length).toBe(2);
  const [text, data] = await Promise.all(files.map((file) => readFile(file, "utf8")));
  const made = JSON.parse(data!) as Report;
  expect(made.thresholds.filter(({ replaced }) => replaced)).toMatchObject([{ name: "locks.waitSeconds", value: 0 }]);
  expect(made.score).toBe(scoreOf(made.snapshot));
  const { unavailable } = made.history as { unavailable: string };
  expect(unavailable).toMatch(/^Nothing is recorded here yet, .* Start `toolkit record` and leave it running, or /);
  expect(text).toContain(unavailable);
  expect(text).toContain(`<title>${ill.connection.database}: ${made.score} of 100 points</title>`);
  expect(text).toMatch(/Runbook: <a href="(\.\.\/)+\S*runbooks\/lock-pile-up\.md">lock-pile-up<\/a>/);
  expect(text).not.toContain("hunter2");
  // Findings stand by their severity.
  const order = ["critical", "warning", "notice"].map((severity) => text!.indexOf(`<article class="${severity}">`));
  expect(order).toEqual(order.toSorted((one, other) => one - other));
  expect(order[0]).toBeGreaterThan(0);
});

test("report --json prints it, with what was recorded, and takes no folder", async () => {
  await ensureHistory(ill.client);
  await makeDays(ill.client);
  for (let n = 0; n < 3; n++) await recordSnapshot(ill.client, { many: true });
  const { output } = await report("--json");
  const { history, ...made } = JSON.parse(output) as Report & { history: History };
  expect(made).toMatchObject({ score: expect.any(Number), rates: { seconds: expect.any(Number) } });
  const trend = history.trends.find(({ metric }) => metric === "locks.waiting")!;
  expect(trend).toMatchObject({ unit: "sessions", last: 2, points: [{ value: 2 }, { value: 2 }, { value: 2 }] });
  expect(history.forecasts.find(({ object }) => object === "public.narrow")).toMatchObject({
    ...{ resource: "sequence", state: "too little history", points: [{}, {}, {}] },
  });
  await ill.client.query("create role reader_of_nothing login password 'reads'");
  const reader = { ...ill.connection, user: "reader_of_nothing", password: "reads" };
  expect(
    await readHistory(reader, { diskBytes: undefined }).finally(() => ill.client.query("drop role reader_of_nothing")),
  ).toEqual({
    unavailable:
      "This role may not read what is recorded: grant usage on schema monitoring, and select on all tables in schema monitoring, to it.",
  });
  await expect(report("--json", "--output", folder)).rejects.toThrow(`--json and --output contradict each other
  why: With --json no file is written.
  fix: Leave out one of them.`);
});

test("the score falls by severity, and by no more than 25 points for one question", () => {
  const finding = (question: string, severity: string) =>
    ({ question, severity }) as Report["snapshot"]["findings"][number];
  expect(scoreOf({ findings: [] })).toBe(100);
  expect(
    scoreOf({ findings: [finding("locks", "critical"), finding("bloat", "warning"), finding("sizes", "notice")] }),
  ).toBe(69);
  expect(scoreOf({ findings: Array.from({ length: 90 }, () => finding("bloat", "warning")) })).toBe(75);
  const all = ["a", "b", "c", "d", "e"].map((question) => finding(question, "critical"));
  expect(scoreOf({ findings: all })).toBe(0);
});

test("a plot gets no more points than it shows, and the largest of them all", () => {
  const points = Array.from({ length: 1000 }, (_, n) => ({ at: n, value: n % 10, most: n === 777 ? 99 : n % 10 }));
  const thin = thinned(points, 100);
  expect(thin).toHaveLength(100);
  expect(thin[0]).toEqual({ at: 9, value: 4.5, most: 9 });
  expect(Math.max(...thin.map(({ most }) => most))).toBe(99);
  expect(thinned(points.slice(0, 100), 100)).toEqual(points.slice(0, 100));
});

test("what comes from a database is text on the page, whatever it looks like", () => {
  expect(html`<p title="${`"'`}">${"<script>&"}${7}${undefined}${[html`<b>${"<i>"}</b>`, "\u202ex"]}</p>`.text).toBe(
    '<p title="&quot;&#39;">&lt;script&gt;&amp;7<b>&lt;i&gt;</b>\nx</p>',
  );
  expect(table([{ title: "<a>" }, { title: "n", number: true }], [["<b>", "1"]]).text).toContain(
    '<td class="text">&lt;b&gt;</td>\n<td class="number">1</td>',
  );
});

(browser ? test : test.skip)(
  "a browser draws the page: plots, findings, tables, plans, with nothing from elsewhere and no name taken for HTML",
  async () => {
    const made = JSON.parse((await report("--json")).output) as Report;
    // The server that tests share counts no statements: as one that does.
    made.snapshot.answers[slowQueries.name] = {
      rows: [
        {
          ...{ queryId: "1", user: "web", calls: 10, meanMilliseconds: 5, totalSeconds: 9, timePercent: 90 },
          ...{ rowsPerCall: 1, hitPercent: 99, temporaryBytes: 0, query: `select "${hostileName}"` },
        },
      ],
      findings: [],
    };
    const raw = { "Node Type": "Seq Scan", "Relation Name": hostileName, Filter: "(a = 'hunter2')", "Plan Rows": 3 };
    const ran = { "Actual Rows": 2, "Actual Loops": 1, "Actual Total Time": 12, "Rows Removed by Filter": 7777 };
    const advice = [{ what: "It reads too much.", why: "It may.", fix: "create index;" }];
    made.snapshot.answers[queryPlans.name] = {
      rows: [
        {
          ...{
            queryId: "1",
            query: "select",
            milliseconds: 12,
            at: "yesterday",
            slowest: `Seq Scan on ${hostileName}`,
            advice,
          },
          plan: readPlan(JSON.stringify({ "Query Text": "select", Plan: { ...raw, ...ran } }))!.root,
        },
      ],
      findings: [],
    };
    const disk = (made.history as History).forecasts.find(({ resource }) => resource === "disk")!;
    const soon = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();
    const runsOut = {
      state: "growing",
      limit: disk.value * 2,
      at: soon(30),
      earliest: soon(20),
      latest: soon(45),
    } as const;
    Object.assign(disk, { ...runsOut, perDay: 7, perDayLow: 5, perDayHigh: 9, earliestDays: 20 });
    const file = join(folder, "page.html");
    await writeFile(file, page(made, "../runbooks"));
    const { dom, screenshot } = await look(file);
    // Of the moment, what may run out first, and trends.
    expect(dom.match(/<svg /g)).toHaveLength(6 + 6 + 8);
    expect(dom).toMatch(/<b>disk<\/b>: .* it runs out between .* and .*, most likely /);
    expect(dom).toContain("Plan of 12.0 ms, yesterday: most of it in Seq Scan on &lt;img");
    expect(dom).toContain("<code>filter (a = '…')</code>");
    expect(dom).toContain("<p>It reads too much. It may.</p>");
    for (const title of ["Health of the worst tables", "Size of the largest tables", "Pages from the cache"])
      expect(dom).toContain(`>${title}`);
    for (const title of ["Sessions by state: ", "Share of all time by statement", "Dead rows"])
      expect(dom).toContain(`>${title}`);
    expect(dom).toContain("The sequence public.narrow stands at 32,000 of 32,767, 97.7 %.");
    expect(dom).toContain("&lt;img src=x onerror=alert(1)&gt;");
    expect(dom).not.toMatch(/<(img|script|link|iframe)/i);
    expect(dom).not.toMatch(/<[^>]*\s(src|xlink:href|on\w+)=/i);
    // A line is cut off at its axes by a shape of the same plot.
    expect(dom).not.toMatch(/url\((?!#zr\d)/i);
    // A blank page of this size packs to a few kilobytes.
    expect(screenshot.length).toBeGreaterThan(60_000);
  },
  30_000,
);
