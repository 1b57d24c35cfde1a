import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { adviceOn, type ReadTable } from "../../../toolkit/monitor/plans/advice.ts";
import { loggedPlans } from "../../../toolkit/monitor/plans/entries.ts";
import { filterColumns } from "../../../toolkit/monitor/plans/filterColumns.ts";
import type { LogTail } from "../../../toolkit/monitor/plans/logSource.ts";
import { matchPlans } from "../../../toolkit/monitor/plans/match.ts";
import { readPlan } from "../../../toolkit/monitor/plans/plan.ts";
import { planLines } from "../../../toolkit/monitor/plans/planLines.ts";
import { queryPlans } from "../../../toolkit/monitor/queryPlans.ts";
import { limitsOf } from "../../../toolkit/monitor/question.ts";

// What PostgreSQL 15 and 17 have really logged, of statements on a table t (id, k, name) of 20,000 rows.
async function logged(file: string, prefix = "") {
  const format = { log: "stderr", csv: "csvlog", jsonlog: "jsonlog" }[file.split(".")[1]!] as LogTail["format"];
  const text = await readFile(join(import.meta.dirname, "logs", file), "utf8");
  return loggedPlans({ place: file, format, text }, prefix);
}

// The number of the second is in its newest plan, which is verbose; the others are found by their texts.
const [counting, joining, looking] = ["1", "6258366901187885611", "3"];
const statements = [
  { queryId: counting!, query: "select count(*) from t where k = $1 and name <> $2" },
  { queryId: joining!, query: "select * from t a join t b using (id) where a.k = $1 order by b.name" },
  { queryId: looking!, query: "select * from t where id = $1 and name = $2" },
];
const limits = limitsOf(queryPlans.thresholds);

test("a log as text gives its plans, with what log_line_prefix puts before each", async () => {
  const found = await logged("postgresql-17.log", "%m [%p] %q%u@%d %Q ");
  expect(found.map(({ body: _, ...rest }) => rest)[0]).toEqual({
    at: "2026-11-24 20:26:42.146 UTC",
    ...{ milliseconds: expect.any(Number), database: "postgres", queryId: "-5734602995837069848" },
  });
  expect(found).toHaveLength(5);
  // Another prefix, and none that is known: the plans are there all the same.
  expect((await logged("postgresql-17.log", "%t:%r:%u@%d:[%p]:"))[4]).toMatchObject({ queryId: null, at: null });
});

test("csvlog and jsonlog give the number of the statement with all its digits", async () => {
  const [first] = await logged("postgresql-15.csv");
  expect(first).toMatchObject({ database: "postgres", queryId: "-496338057641372132" });
  expect(readPlan(first!.body)!.query).toBe("select count(*) from t where k = 7 and name <> 'it''s a secret\n  here'");
  expect(await logged("postgresql-17.jsonlog")).toMatchObject([
    { database: "postgres", queryId: "-7976905505313579514" },
  ]);
});

test("a plan in text reads as the same plan in JSON does, and no value is in either", async () => {
  const plans = (await logged("postgresql-17.log")).map(({ body }) => readPlan(body)!);
  const shapes = plans.map(({ root }) => JSON.stringify(root).replace(/"(ownMilliseconds|timePercent)":[\d.]+/g, ""));
  expect(shapes[2]).toBe(shapes[0]);
  // The last one is verbose: there EXPLAIN writes the table before each column.
  expect(shapes[3]).toBe(shapes[4]!.replace(/"schema":"public"/g, '"schema":null').replace("(a.k", "(k"));
  for (const shape of shapes) expect(shape).not.toMatch(/secret|= [567]|<> '[^…]/);
});

test("a value that looks like a step of a plan in text is none, and is not shown", () => {
  const step = "Seq Scan on hunter2  (cost=0.00..1.00 rows=1 width=4)";
  const { query, root } = readPlan(`Query Text: select from t where name = 'x
${step}'
Query Parameters: $1 = 'hunter2'
Append  (cost=0.00..2.00 rows=2 width=4) (actual rows=2 loops=1)
  ->  Seq Scan on public.t "T 1"  (cost=0.00..1.00 rows=1 width=4) (actual time=0.5..1.5 rows=2 loops=1)
        Filter: (name = 'x
  ->  ${step}
        Filter: hunter2'::text)
        Rows Removed by Filter: 7
  ->  Index Scan using "an index" on u  (cost=0.00..1.00 rows=1 width=4) (never executed)
        Index Cond: (id = 42)`)!;
  expect(query).toContain(step);
  expect(JSON.stringify(root)).not.toMatch(/hunter2|42/);
  expect(root).toMatchObject({
    ...{ name: "Append", rows: 2, ownMilliseconds: null },
    parts: [
      { name: "Seq Scan on t T 1", schema: "public", removedRows: 7, conditions: ["filter (name = '…'::text)"] },
      { name: "Index Scan using an index on u", rows: 0, conditions: ["index cond (id = …)"] },
    ],
  });
});

test("steps that do the same to many partitions are one", () => {
  const scan = (n: number) => ({
    ...{ "Node Type": "Seq Scan", "Relation Name": `p${n}`, "Plan Rows": 5, "Actual Rows": n, "Actual Loops": 1 },
    ...{ "Actual Total Time": 1, Filter: "(a = 5)", "Rows Removed by Filter": 10 },
  });
  const all = [scan(1), scan(2), scan(3), scan(4), { ...scan(5), Filter: "(b = 5)" }];
  const ran = { "Plan Rows": 25, "Actual Rows": 15, "Actual Loops": 1, "Actual Total Time": 8 };
  const { root } = readPlan(JSON.stringify({ Plan: { ...ran, "Node Type": "Append", Plans: all } }))!;
  expect(root.ownMilliseconds).toBe(3);
  expect(root.parts).toMatchObject([
    {
      name: "Seq Scan on p1",
      alike: 4,
      rows: 10,
      expectedRows: 20,
      removedRows: 40,
      ownMilliseconds: 4,
      timePercent: 50,
    },
    { name: "Seq Scan on p5", alike: 1, rows: 5 },
  ]);
});

test("the newest plan of a statement is found by its number, or by its text where the log has none, and shown as a tree", async () => {
  const found = matchPlans(await logged("postgresql-17.log"), statements);
  expect(new Set(found.plans.keys())).toEqual(new Set([counting, joining, looking]));
  const { plan } = found.plans.get(joining!)!;
  const lines = planLines([
    { queryId: joining!, query: "select", milliseconds: 3.4, at: null, slowest: "x", plan: plan.root, advice: [] },
  ]);
  expect(lines.map((line) => line.replace(/ +[\d.]+ +[\d.]+ %/, "").replace(/ [*] {2}/, "    "))).toEqual([
    "statement 6258366901187885611, 3.4 ms: select",
    expect.stringMatching(/^ {2}step +rows +expected +removed +own ms +time +condition$/),
    expect.stringMatching(/^ {2}Sort +200 +200 +sort key b\.name$/),
    expect.stringMatching(/^ {4}└ Hash Join +200 +200 +hash cond \(b\.id = a\.id\)$/),
    expect.stringMatching(/^ {6}└ Seq Scan on t b +20,000 +20,000$/),
    expect.stringMatching(/^ {6}└ Hash +200 +200$/),
    expect.stringMatching(/^ {8}└ Seq Scan on t a +200 +200 +19,800 +filter \(a\.k = …\)$/),
    ...["  * took the most time: x", ""],
  ]);
});

test("the number in the log's line is believed, but not for a statement inside of a function", async () => {
  const [plan] = await logged("postgresql-17.log");
  const caller = { queryId: "9", query: "select f($1)" };
  const of = (queryId: string) => [...matchPlans([{ ...plan!, queryId }], [caller, ...statements]).plans.keys()];
  expect(of("9")).toEqual([counting]);
  expect(of("1")).toEqual([counting]);
});

test("a scan that throws away most of what it reads is told with the index that it wants", async () => {
  const { root } = readPlan((await logged("postgresql-17.log"))[0]!.body)!;
  const on = (table: ReadTable | undefined) => adviceOn(root, limits, () => table);
  const columns = new Map([["k", { quoted: "k", isText: false }]]);
  const table = { name: "public.t", partitioned: false, columns, indexes: [] };
  expect(on(table)).toEqual([
    {
      what: "The Seq Scan of public.t reads 20,000 rows and throws 99 % of them away, by its filter on k.",
      why: "An index on what the filter compares finds the others, without a look at those.",
      fix: "create index concurrently on public.t (k); but first let toolkit advise build it on a copy, and measure it.",
    },
  ]);
  expect(on({ ...table, indexes: [{ name: "public.t_k", columns: ["k", "id"] }] })[0]!.fix).toBe(
    "The index public.t_k begins with k, and was not used: analyze public.t; then explain it again.",
  );
  expect(on({ ...table, partitioned: true })[0]!.fix).toMatch(/^create index on public\.t \(k\); by a migration/);
  expect(adviceOn(root, { ...limits, removedRows: 20_000 }, () => table)).toEqual([]);
});

test("an index is told with its columns as SQL writes them, and not for a column that is converted", () => {
  const fixFor = (condition: string) => {
    const Plan = { "Node Type": "Seq Scan", "Relation Name": "t", "Plan Rows": 1, Filter: condition };
    const ran = { "Actual Rows": 1, "Actual Loops": 1, "Rows Removed by Filter": 50_000 };
    const columns = new Map([
      ["when", { quoted: '"when"', isText: false }],
      ["name", { quoted: "name", isText: true }],
    ]);
    const table = { name: "public.t", partitioned: false, columns, indexes: [] };
    return adviceOn(readPlan(JSON.stringify({ Plan: { ...Plan, ...ran } }))!.root, limits, () => table)[0]!.fix;
  };
  expect(fixFor("((\"when\" > '2020-01-01'::date) AND ((name)::text = 'x'::text))")).toMatch(
    /^create index concurrently on public\.t \(name, "when"\); but first /,
  );
  expect(fixFor("((\"when\")::text = 'x'::text)")).toBe(
    "The filter converts when before it compares: give it a value of the column's own type, or create an index on the expression.",
  );
});

test("wrong estimates, spills, and index-only scans that are none are told", () => {
  const of = (raw: object) =>
    adviceOn(readPlan(JSON.stringify({ "Query Text": "", Plan: raw }))!.root, limits, () => undefined).map(
      ({ what }) => what,
    );
  const ran = { "Actual Rows": 50_000, "Actual Loops": 2, "Plan Rows": 50_000 };
  expect(
    of({
      ...ran,
      "Node Type": "Nested Loop",
      Plans: [{ ...ran, "Node Type": "Seq Scan", "Relation Name": "t", "Plan Rows": 3 }],
    }),
  ).toEqual(["Seq Scan on t gave 100,000 rows, where the planner expected 6."]);
  expect(of({ ...ran, "Node Type": "Sort", "Sort Space Type": "Disk", "Sort Space Used": 20_480 })).toEqual([
    "Sort wrote 20 MB to disk, for it did not fit into work_mem.",
  ]);
  expect(
    of({ ...ran, "Node Type": "Index Only Scan", "Index Name": "i", "Relation Name": "t", "Heap Fetches": 90_000 }),
  ).toEqual(["Index Only Scan using i on t looked up 90,000 rows in the table all the same."]);
});

test("the columns of a filter are those that it compares with values", () => {
  const of = (condition: string) => filterColumns(condition);
  expect(of(`((a = 5) AND ((b)::text = 'x'::text) AND ("C d" >= $1) AND (x.e IS NULL))`)).toEqual({
    ...{ equal: ["a", "b", "e"], range: ["C d"], converted: [], asText: ["b"] },
  });
  expect(of("((a)::numeric = 5.5)")).toEqual({ equal: [], range: [], converted: ["a"], asText: [] });
  for (const none of ["(a = b)", "((a = 1) OR (b = 2))", "(lower(a) = 'x'::text)", "(hashed SubPlan 1)"])
    expect(of(none)).toBeUndefined();
});
