import { say } from "../../toolkit/terminal.ts";
import { type Estimate, estimateCost } from "../cost.ts";
import { dollars } from "../costLine.ts";
import { pricesAsOf, pricingPage } from "../costPrices.ts";
import { isMandatory, rules } from "../policy/rules.ts";
import { withoutOpenSecrets } from "../policy/secretRules.ts";
import { type Change, describeChanges } from "./diff.ts";
import { lastName, type Operation } from "./display.ts";
import { nameOf, typeOf } from "./goal.ts";
import { pendingMigrations } from "./markdownMigrations.ts";
import { code, fenced, fold, row, table, text } from "./markdownText.ts";
import type { Report, ReportStep } from "./report.ts";

/** The first line of a comment, by which the next run finds it and edits it in place. */
export const markerOf = (stack: string): string => `<!-- preview of stack ${stack} -->`;

// GitHub takes 65,536 characters; some are left for what a workflow adds.
const mostCharacters = 60_000;

/**
 * Prints a report on stdout as the comment of a pull request.
 * @param base the git commit whose migrations count as applied where neither a database nor a state tells
 */
export async function writeMarkdown(report: Report, base?: string): Promise<void> {
  const migrations = report.schema ? await pendingMigrations(report.schema, base, say) : "";
  process.stdout.write(`${render(report, migrations)}\n`);
}

/**
 * The comment of a pull request. One that is too long for GitHub loses the SQL of the longest migrations first, which the
 * pull request shows in its files, then the properties.
 * @param migrations the section on pending migrations, in Markdown
 */
export function render(report: Report, migrations: string): string {
  const { stack, engine, failed } = report;
  const head = [markerOf(stack), `## Preview of stack \`${stack}\`${failed ? ": failed" : ""}`, engine];
  const parts = [...head, diagnostics(report), infrastructure(report), policies(report)];
  const [prices, properties] = [cost(report), details(report)];
  const shorter = withLessSql(migrations);
  const withoutSql = shorter.at(-1) ?? { section: migrations, omitted: [] };
  const propertiesToo = `every property (\`npm run preview -- --stack ${stack} --diff\` shows them)`;
  const versions = [
    [...parts, migrations, prices, properties],
    ...shorter.map(({ section, omitted }) => [...parts, section, prices, properties, leftOut(omitted)]),
    [...parts, withoutSql.section, prices, leftOut(withoutSql.omitted, propertiesToo)],
    [...head, leftOut([], "all that follows here in a shorter one", propertiesToo)],
  ];
  const texts = versions.map((version) =>
    version
      .filter(Boolean)
      .map((part) => part.trim())
      .join("\n\n"),
  );
  return texts.find((version) => version.length <= mostCharacters) ?? texts.at(-1)!;
}

/** The section on migrations with ever less SQL in it, and the names of those whose SQL is gone. */
function withLessSql(migrations: string): { section: string; omitted: string[] }[] {
  const blocks = migrations.match(/<details>[\s\S]*?<\/details>\s*/g) ?? [];
  const longestFirst = blocks.toSorted((one, other) => other.length - one.length);
  return longestFirst.map((_, index) => {
    const gone = longestFirst.slice(0, index + 1);
    return {
      section: gone.reduce((section, block) => section.replace(block, ""), migrations),
      omitted: gone.map((block) => /<code>(.*?)<\/code>/.exec(block)?.[1] ?? ""),
    };
  });
}

function leftOut(migrations: string[], ...others: string[]): string {
  const sql =
    migrations.length > 3
      ? `${migrations.length} migrations, the longest`
      : migrations.map((name) => code(name)).join(", ");
  const what = [
    ...(migrations.length > 0 ? [`the SQL of ${sql} (\`npm run toolkit -- plan\` shows it)`] : []),
    ...others,
  ];
  return `Shortened for a comment, without ${what.join(", and ")}.`;
}

// biome-ignore format: one operation, one line
const signs: Record<Operation, { sign: string; word: string }> = {
  create:  { sign: "`+`",  word: "create" },
  update:  { sign: "`~`",  word: "update" },
  replace: { sign: "`+-`", word: "**replace**" },
  delete:  { sign: "`-`",  word: "**delete**" },
  discard: { sign: "`-`",  word: "forget" },
  same:    { sign: " ",    word: "unchanged" },
};

/** What people must not overlook comes first. */
const order: Operation[] = ["delete", "replace", "discard", "update", "create"];

// A new stack is a long list, in which nothing is at stake: it is folded.
const mostCreations = 10;

function infrastructure({ steps, unchanged }: Report): string {
  const byOperation = Object.groupBy(steps, ({ op }) => op);
  const present = order.filter((op) => byOperation[op]);
  const counts = [
    ...present.map((op) => `${byOperation[op]!.length} to ${signs[op].word}`),
    ...(unchanged > 0 ? [`${unchanged} unchanged`] : []),
  ];
  const created = byOperation.create ?? [];
  const foldsCreations = created.length > mostCreations;
  const shown = present.filter((op) => op !== "create" || !foldsCreations).flatMap((op) => byOperation[op]!);
  return [
    `### Infrastructure: ${counts.join(", ") || "nothing"}`,
    ...(shown.length > 0 ? [stepTable(shown)] : []),
    ...(foldsCreations ? [fold(`${created.length} to create: ${kindsOf(created)}`, stepTable(created))] : []),
  ].join("\n\n");
}

const stepTable = (steps: ReportStep[]) =>
  table(
    ["", "step", "resource", "type", "properties"],
    steps.map((step) => {
      const { op, urn } = step;
      return row([signs[op].sign, signs[op].word, code(nameOf(urn)), code(shortType(urn)), changed(step)]);
    }),
  );

/** The kinds of resources that people pay for or look after, the most frequent first. */
function kindsOf(steps: ReportStep[]): string {
  const kinds = Object.entries(Object.groupBy(steps, ({ urn }) => lastName(typeOf(urn))))
    .map(([kind, list]): [string, number] => [kind, list!.length])
    .sort(([, one], [, other]) => other - one);
  const named = kinds.slice(0, 6).map(([kind, amount]) => (amount === 1 ? kind : `${amount} × ${kind}`));
  return [...named, ...(kinds.length > 6 ? ["…"] : [])].join(", ");
}

const shortType = (urn: string) =>
  typeOf(urn)
    .replace(/\/\w+:/, ".")
    .replace(/^pulumi-nodejs:dynamic:/, "");

/** A new resource has all of its properties new: only their number says something. */
function changed({ op, changes }: ReportStep): string {
  if (changes.length === 0) return "";
  if (op === "create") return `${changes.length} new`;
  const names = [...new Set(changes.map(({ path }) => path.replace(/[[.].*$/, "")))];
  return names.map(code).join(", ");
}

/** Every property, folded, in the colours of a diff. */
function details({ steps }: Report): string {
  const blocks = steps
    .filter(({ changes }) => changes.length > 0)
    .map(({ urn, changes, op }) => {
      const lines = describeChanges(changes.map(concealed)).map((line) =>
        line.replace(/^~ /, "! ").replaceAll("\n", "⏎"),
      );
      return [`@@ ${signs[op].word.replaceAll("*", "")} ${nameOf(urn)} (${lastName(typeOf(urn))}) @@`, ...lines];
    });
  if (blocks.length === 0) return "";
  return fold("Every property", fenced("diff", blocks.map((block) => block.join("\n")).join("\n\n")));
}

/** A change without what lies open in it: a comment is public, and the policies name the property. */
function concealed(change: Change): Change {
  const name = change.path
    .replace(/\[[^\]]*\]/g, "")
    .split(".")
    .at(-1)!;
  return {
    ...change,
    ...("before" in change && { before: withoutOpenSecrets(name, change.before) }),
    ...("after" in change && { after: withoutOpenSecrets(name, change.after) }),
  };
}

function policies({ violations, failed }: Report): string {
  // A preview that failed saw a part of the stack, of which neither rules nor sums say anything.
  if (failed) return "";
  const title = `### Policies: ${violations.length === 0 ? `all ${rules.length} rules kept` : `${violations.length} of ${rules.length} rules broken`}`;
  if (violations.length === 0) return title;
  const rows = violations.map((violation) =>
    row([
      isMandatory(violation) ? "**mandatory**" : "advisory",
      code(violation.rule),
      code(nameOf(violation.urn)),
      text(violation.message),
    ]),
  );
  return `${title}\n\n${table(["level", "rule", "resource", "what and how"], rows)}`;
}

function cost({ resources, region, failed }: Report): string {
  if (failed) return "";
  const estimate: Estimate = estimateCost(resources, region);
  if (estimate.lines.length === 0) return "";
  const rows = estimate.lines.map(({ what, how, monthly }) =>
    row([text(what), text(how), monthly === undefined ? "unknown" : dollars(monthly)]),
  );
  const total = `${estimate.incomplete ? "at least " : ""}**${dollars(estimate.total)}**`;
  return [
    `### Monthly cost: ${total}`,
    table(["what", "how", "a month"], rows),
    `Approximate on-demand prices of ${region ?? "an unknown region"}, entered ${pricesAsOf}, without tax, traffic and logs. An estimate: check it against ${pricingPage}.`,
  ].join("\n\n");
}

function diagnostics({ diagnostics }: Report): string {
  const told = diagnostics.filter(({ severity }) => severity === "error" || severity === "warning");
  return told.map(({ severity, message }) => `**${severity}**\n\n${fenced("", message.trim())}`).join("\n\n");
}
