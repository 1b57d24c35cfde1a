import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { parse, stringify } from "yaml";
import { type Alert, alertTable, foundBy } from "../../../toolkit/metrics/alertTable.ts";
import { dashboard } from "../../../toolkit/metrics/dashboard.ts";
import { alertRules, rulesYaml } from "../../../toolkit/metrics/rules.ts";
import { metrics } from "../../../toolkit/metrics/table.ts";
import { questions } from "../../../toolkit/monitor/questions.ts";
import { allThresholds, type Overrides } from "../../../toolkit/monitor/thresholds.ts";
import { Sampler } from "../../../toolkit/status/sampler.ts";
import { type Ill, makeIll } from "../status/illness.ts";

let ill: Ill;
let folder: string;
const promtool = spawnSync("promtool", ["--version"]).status === 0 ? test : test.skip;
const known = new Set<string>(metrics.map(({ name }) => name)).add("pg_up");
const values = new Map(allThresholds().map(({ name, value }) => [name, value]));
const limitOf = (limit: string | number) => (typeof limit === "string" ? values.get(limit)! : limit);

beforeAll(async () => {
  ill = await makeIll();
  folder = await mkdtemp(join(tmpdir(), "alerts-"));
});
afterAll(async () => {
  await ill.cure();
  await rm(folder, { recursive: true });
});

test("every alert has a figure, a threshold and a runbook that there are, and says what to do", () => {
  for (const { metric, limit, and, runbook, name } of alertTable) {
    expect([name, known.has(metric), and === undefined || known.has(and.metric)]).toEqual([name, true, true]);
    if (typeof limit === "string") expect([name, values.has(limit)]).toEqual([name, true]);
    if (and) expect([name, values.has(and.limit)]).toEqual([name, true]);
    expect([name, isThere(runbook)]).toEqual([name, true]);
  }
  for (const { runbook, question } of foundBy) {
    expect(isThere(runbook)).toBe(true);
    expect(questions.map(({ name }) => name)).toContain(question);
  }
  const rules = alertRules();
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  for (const { annotations } of rules) expect(Object.values(annotations).filter((text) => text === "")).toEqual([]);
});

const isThere = (runbook: string) =>
  runbook.startsWith("check ")
    ? questions.some(({ name }) => name === runbook.slice("check ".length))
    : existsSync(`runbooks/${runbook}.md`);

test("every question that warns is behind an alert", () => {
  const alerted = new Set([
    ...alertTable.flatMap(({ limit }) => (typeof limit === "string" ? [limit.split(".")[0]] : [])),
    ...foundBy.map(({ question }) => question),
  ]);
  expect(questions.map(({ name }) => name).filter((name) => !alerted.has(name))).toEqual([]);
});

test("a threshold that is replaced is replaced in the rules, which are YAML that says what it is", () => {
  const { groups } = parse(rulesYaml({ "connections.usedPercent": 42 })) as { groups: [{ rules: unknown[] }] };
  expect(groups[0].rules).toContainEqual({
    alert: "PostgresConnectionsHigh",
    expr: "pg_connections_used_percent >= 42",
    for: "5m",
    labels: { severity: "warning" },
    annotations: {
      summary: '{{ $value | printf "%.0f" }} % of the connections of the {{ $labels.scope }} are taken.',
      description:
        "The limit is 42 % (connections.usedPercent). Four fifths leave room for one more pool to start; the runbook pool-exhausted begins here.",
      runbook: "runbooks/pool-exhausted.md (npm run runbook -- pool-exhausted)",
    },
  });
});

/** Whether an alert would ring, from the figures of a snapshot. */
function rings(
  { metric, is, limit, and }: Pick<Alert, "metric" | "is" | "limit" | "and">,
  taken: never,
  limits: Overrides,
): boolean {
  const beyond = (name: string, how: Alert["is"], at: string | number) => {
    const edge = typeof at === "string" ? (limits[at] ?? limitOf(at)) : at;
    const found = metrics.find((each) => each.name === name)?.read(taken) ?? [];
    return found.some(({ value }) =>
      how === ">=" ? value >= edge : how === "<" ? value < edge : how === ">" ? value > edge : value === edge,
    );
  };
  return beyond(metric, is, limit) && (and === undefined || beyond(and.metric, and.is, and.limit));
}

test("what rings is what `toolkit check` finds: at the thresholds as they are, and where each is crossed", async () => {
  const numeric = alertTable.filter(({ limit }) => typeof limit === "string");
  const crossed = Object.fromEntries<number>([
    ...(numeric.flatMap(({ is, limit, and }) => [
      [limit, is === "<" ? 1_000_000 : 0],
      ...(and ? [[and.limit, and.is === "<" ? 1_000_000 : 0]] : []),
    ]) as [string, number][]),
    // There is no better score, and a poor one is not good either.
    ["table-health.poorScore", 100],
    ["table-health.score", 100],
  ]);
  const rung: string[] = [];
  for (const limits of [{}, crossed] as Overrides[]) {
    const sampler = new Sampler(ill.connection, limits, "test");
    const taken = await sampler.sample().finally(() => sampler.close());
    for (const alert of numeric) {
      const question = (alert.limit as string).split(".")[0]!;
      const found = taken.answers[question]!.findings.some(
        ({ severity }) => severity === "critical" || severity === alert.severity,
      );
      const rang = rings(alert, taken as never, limits);
      // Not the other way round: a question has several thresholds.
      if (rang) expect([alert.name, found]).toEqual([alert.name, true]);
      if (rang) rung.push(alert.name);
    }
    if (limits !== crossed)
      expect(rung).toEqual(expect.arrayContaining(["PostgresSequenceNearEnd", "PostgresPartitionsMissing"]));
  }
  // The shared server has no replica, no slot and no prepared transaction.
  const silent = numeric.map(({ name }) => name).filter((name) => !rung.includes(name));
  expect(silent.filter((name) => !/Replica|Slot|Prepared/.test(name))).toEqual([]);
});

promtool("promtool finds no fault in the rules, and each alert rings at its limit and not before it", async () => {
  const rules = join(folder, "rules.yml");
  await writeFile(rules, rulesYaml());
  const checked = spawnSync("promtool", ["check", "rules", rules], { encoding: "utf8" });
  expect([checked.status, checked.stdout]).toEqual([
    0,
    expect.stringContaining(`SUCCESS: ${alertRules().length} rules found`),
  ]);
  // Each case has an instance of its own, so that all alerts on one metric are tried at once.
  const cases = alertTable.flatMap(({ name, metric, is, limit, and }) => {
    const edge = limitOf(limit);
    const [wrong, right] = is === "==" ? [edge, edge + 1] : is === "<" ? [edge - 1, edge] : [edge, edge - 1];
    const also = and ? [{ metric: and.metric, value: limitOf(and.limit) }] : [];
    return [
      { name, instance: `${name} wrong`, figures: [{ metric, value: wrong }, ...also], rings: 1 },
      { name, instance: `${name} right`, figures: [{ metric, value: right }, ...also], rings: 0 },
      ...(and ? [{ name, instance: `${name} alone`, figures: [{ metric, value: wrong }], rings: 0 }] : []),
    ];
  });
  const tried = {
    interval: "1m",
    input_series: cases.flatMap(({ instance, figures }) =>
      figures.map(({ metric, value }) => ({
        ...{ series: `${metric}{instance="${instance}",datname="d"}`, values: `${value}x70` },
      })),
    ),
    promql_expr_test: cases.map(({ name, instance, rings }) => ({
      expr: `count(ALERTS{alertname="${name}",instance="${instance}",alertstate="firing"}) or vector(0)`,
      eval_time: "70m",
      exp_samples: [{ labels: "{}", value: rings }],
    })),
  };
  const file = join(folder, "test.yml");
  await writeFile(
    file,
    stringify({ rule_files: [rules], evaluation_interval: "1m", tests: [tried] }, { aliasDuplicateObjects: false }),
  );
  const { status, stdout, stderr } = spawnSync("promtool", ["test", "rules", file], { encoding: "utf8" });
  expect([status, `${stdout}${stderr}`]).toEqual([0, expect.stringContaining("SUCCESS")]);
});

interface ShownPanel {
  title: string;
  type: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string }[];
}

test("the dashboard's panels do not overlap, and ask for metrics that there are", () => {
  const { panels } = dashboard() as { panels: ShownPanel[] };
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
  const asked = panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => expr.match(/\bpg_\w+/g)!));
  expect(asked.filter((name) => !known.has(name))).toEqual([]);
  expect(asked.length).toBeGreaterThan(30);
});

test("the dashboard draws the thresholds, those that are replaced as well", () => {
  const text = JSON.stringify(dashboard({ "replication.lagSeconds": 12_345 }));
  expect(text).toContain('{"color":"red","value":12345}');
  expect(text).toContain('{"color":"red","value":80}');
  expect(text).not.toContain("undefined");
});

promtool("promtool reads every expression of the dashboard", async () => {
  const { panels } = dashboard() as { panels: ShownPanel[] };
  const rules = panels.flatMap(({ targets = [] }) =>
    targets.map(({ expr }) => ({ record: "panel", expr: expr.replaceAll("$__rate_interval", "5m") })),
  );
  const file = join(folder, "panels.yml");
  // Each in a group of its own: a group refuses two rules of one name.
  const groups = rules.map((rule, n) => ({ name: `panel ${n}`, rules: [rule] }));
  await writeFile(file, stringify({ groups }, { aliasDuplicateObjects: false }));
  const { status, stderr } = spawnSync("promtool", ["check", "rules", "--lint=none", file], { encoding: "utf8" });
  expect([status, stderr]).toEqual([0, expect.not.stringContaining("error")]);
});
