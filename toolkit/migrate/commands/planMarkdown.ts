import { type AssessedMigration, type Assessment, isBlocking } from "../hazards/assessment.ts";
import { describeLock, lockSummary, noteOf } from "../hazards/describe.ts";
import { describeSize } from "../hazards/sizes.ts";
import { dedent, describeKind, lockLines } from "./planText.ts";

/** A plan as a comment on a pull request. */
export function planMarkdown(assessment: Assessment, total: number): string {
  const { migrations, evidence, remarks } = assessment;
  if (migrations.length === 0) return `### Migrations\n\nNothing is pending: all of ${total} migrations are applied.\n`;
  const blocking = migrations.flatMap(({ hazards }) => hazards.filter(isBlocking));
  const copy = evidence.version
    ? [`Locks as seen on an empty copy of the schema, PostgreSQL ${evidence.version}.`]
    : [];
  return [
    `### Migrations: ${migrations.length} of ${total} pending`,
    "",
    blocking.length === 0
      ? "Nothing blocks."
      : `**${blocking.length} blocking.** \`up\` stops before it touches anything.`,
    "",
    "| migration | hazards | locks | touches | undo |",
    "| --- | --- | --- | --- | --- |",
    ...migrations.map(row),
    "",
    ...blocking.flatMap(({ message }) => [fenced(message, ""), ""]),
    ...migrations.flatMap(notesOf),
    ...migrations.flatMap((migration) => [folded(migration), ""]),
    [...copy, ...remarks].join(" "),
    "",
  ].join("\n");
}

function row(migration: AssessedMigration): string {
  const { name, hazards, touches, reversible } = migration;
  const locks = lockSummary(migration).map((lock) => cell(describeLock(lock)));
  const hasEvidence = migration.statements.some((statement) => statement.locks !== null);
  const cells = [
    `\`${name}\``,
    hazards
      .map((hazard) => `${isBlocking(hazard) ? "**blocks**" : hazard.accepted ? "accepted" : "note"}: ${hazard.rule}`)
      .join("<br>") || "none",
    locks.join("<br>") || (hasEvidence ? "none that stop anybody" : "not known"),
    touches.map((touched) => cell(`${touched.relation}: ${describeSize(touched)}`)).join("<br>"),
    reversible ? "yes" : "no",
  ];
  return `| ${cells.join(" | ")} |`;
}

function notesOf({ name, hazards, notes }: AssessedMigration): string[] {
  const lines = [
    ...hazards.filter((hazard) => !isBlocking(hazard)).map(noteOf),
    ...notes.map((note) => `${name}: ${note}`),
  ];
  return lines.length > 0 ? [...lines.map((line) => `- ${line}`), ""] : [];
}

function folded(migration: AssessedMigration): string {
  const statements = migration.statements.map((statement) =>
    [`${dedent(statement.sql)};`, ...lockLines(statement).map((line) => `-- ${line}`)].join("\n"),
  );
  return [
    `<details><summary><code>${migration.name}</code>: ${describeKind(migration)}</summary>`,
    "",
    fenced(statements.join("\n\n"), "sql"),
    "",
    "</details>",
  ].join("\n");
}

/** A block of code, fenced by more backticks than any run of them inside. */
function fenced(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}

/** A text inside a table's cell. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
