import { stringify } from "yaml";
import { allThresholds, type NamedThreshold, type Overrides } from "../monitor/thresholds.ts";
import { type Alert, alertTable, foundBy } from "./alertTable.ts";

/** A rule as Prometheus reads it. */
export interface Rule {
  alert: string;
  expr: string;
  for?: string;
  labels: { severity: string };
  annotations: { summary: string; description: string; runbook: string };
}

/**
 * The alerting rules, with the thresholds of `toolkit check`: what it finds and what rings cannot disagree.
 * @param limits values that replace thresholds
 */
export function alertRules(limits: Overrides = {}): Rule[] {
  const thresholds = new Map(
    allThresholds().map((one) => [one.name, { ...one, value: limits[one.name] ?? one.value }]),
  );
  return [...alertTable.map((alert) => ruleOf(alert, thresholds)), ...foundBy.map(foundRule)];
}

/** The rules as a file for Prometheus's `rule_files`. */
export function rulesYaml(limits: Overrides = {}): string {
  const head =
    "# Made by `toolkit metrics --rules` of the thresholds of `toolkit check`: change those, and make it again.\n";
  return head + stringify({ groups: [{ name: "postgres", rules: alertRules(limits) }] }, { lineWidth: 0 });
}

function ruleOf(alert: Alert, thresholds: Map<string, NamedThreshold>): Rule {
  const known = typeof alert.limit === "string" ? thresholds.get(alert.limit)! : undefined;
  const limitOf = (limit: string | number) => (typeof limit === "string" ? thresholds.get(limit)!.value : limit);
  const { and } = alert;
  const expr = `${alert.metric} ${alert.is} ${limitOf(alert.limit)}`;
  return {
    alert: alert.name,
    // Samples of one metric say more than the other's (a table, a scope): they meet on the database.
    expr: and ? `${expr} and on (instance, datname) ${and.metric} ${and.is} ${limitOf(and.limit)}` : expr,
    ...(alert.for ? { for: alert.for } : {}),
    labels: { severity: alert.severity },
    annotations: {
      summary: alert.summary,
      description: known
        ? `The limit is ${known.value} ${known.unit} (${known.name}). ${known.why}`
        : (alert.why ?? ""),
      runbook: runbookText(alert.runbook),
    },
  };
}

function foundRule({ question, severity, for: time, runbook }: (typeof foundBy)[number]): Rule {
  const name = question.replace(/(^|-)([a-z])/g, (_, __, letter: string) => letter.toUpperCase());
  return {
    alert: `Postgres${name}${severity === "critical" ? "Critical" : "Warning"}`,
    expr: `pg_findings{question="${question}",severity="${severity}"} > 0`,
    for: time,
    labels: { severity },
    annotations: {
      summary: `The question ${question} has {{ $value }} ${severity === "critical" ? "critical findings" : "warnings"}.`,
      description: `\`npm run toolkit -- check ${question}\` says what is wrong, why it matters and what to do.`,
      runbook: runbookText(runbook),
    },
  };
}

/** What to run; where there is no page, the question says what to do itself. */
function runbookText(runbook: Alert["runbook"]): string {
  return runbook.startsWith("check ")
    ? `npm run toolkit -- ${runbook}`
    : `runbooks/${runbook}.md (npm run runbook -- ${runbook})`;
}
