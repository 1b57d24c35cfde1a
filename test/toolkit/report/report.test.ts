import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import type { Context } from "../../../toolkit/cli.ts";
import { slowQueries } from "../../../toolkit/monitor/slowQueries.ts";
import { command } from "../../../toolkit/report/command.ts";
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
  expect(text).toContain(`<title>${ill.connection.database}: ${made.score} of 100 points</title>`);
  expect(text).toMatch(/Runbook: <a href="(\.\.\/)+\S*runbooks\/lock-pile-up\.md">lock-pile-up<\/a>/);
  expect(text).not.toContain("hunter2");
  // Findings stand by their severity.
  const order = ["critical", "warning", "notice"].map((severity) => text!.indexOf(`<article class="${severity}">`));
  expect(order).toEqual(order.toSorted((one, other) => one - other));
  expect(order[0]).toBeGreaterThan(0);
});

test("report --json prints it, and takes no folder", async () => {
  const { output } = await report("--json");
  expect(JSON.parse(output)).toMatchObject({ score: expect.any(Number), rates: { seconds: expect.any(Number) } });
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

test("what comes from a database is text on the page, whatever it looks like", () => {
  expect(html`<p title="${`"'`}">${"<script>&"}${7}${undefined}${[html`<b>${"<i>"}</b>`, "\u202ex"]}</p>`.text).toBe(
    '<p title="&quot;&#39;">&lt;script&gt;&amp;7<b>&lt;i&gt;</b>\nx</p>',
  );
  expect(table([{ title: "<a>" }, { title: "n", number: true }], [["<b>", "1"]]).text).toContain(
    '<td class="text">&lt;b&gt;</td>\n<td class="number">1</td>',
  );
});

(browser ? test : test.skip)(
  "a browser draws the page: six plots, the findings, the tables, with nothing from elsewhere and no name taken for HTML",
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
    const file = join(folder, "page.html");
    await writeFile(file, page(made, "../runbooks"));
    const { dom, screenshot } = await look(file);
    expect(dom.match(/<svg /g)).toHaveLength(6);
    for (const title of ["Health of the worst tables", "Size of the largest tables", "Pages from the cache"])
      expect(dom).toContain(`>${title}`);
    for (const title of ["Sessions by state: ", "Share of all time by statement", "Dead rows"])
      expect(dom).toContain(`>${title}`);
    expect(dom).toContain("The sequence public.narrow stands at 32,000 of 32,767, 97.7 %.");
    expect(dom).toContain("&lt;img src=x onerror=alert(1)&gt;");
    expect(dom).not.toMatch(/<(img|script|link|iframe)/i);
    expect(dom).not.toMatch(/<[^>]*\s(src|xlink:href|on\w+)=/i);
    expect(dom).not.toMatch(/url\(/i);
    // A blank page of this size packs to a few kilobytes.
    expect(screenshot.length).toBeGreaterThan(60_000);
  },
  30_000,
);
