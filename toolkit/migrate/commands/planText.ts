import { type AssessedMigration, type AssessedStatement, type Assessment, isBlocking } from "../hazards/assessment.ts";
import { describeLock, describeWork, noteOf, stopsAnybody } from "../hazards/describe.ts";
import { describeSize } from "../hazards/sizes.ts";

/** A plan for people at a terminal. */
export function planText(assessment: Assessment, total: number): string {
  const { migrations, evidence, remarks } = assessment;
  if (migrations.length === 0) return `nothing is pending: all of ${total} migrations are applied\n`;
  const copy = evidence.version
    ? `locks: seen on an empty copy of the schema, PostgreSQL ${evidence.version}`
    : undefined;
  const blocking = migrations.flatMap(({ hazards }) => hazards.filter(isBlocking)).length;
  return [
    `${migrations.length} of ${total} migrations pending`,
    ...migrations.map((migration) => `\n${migrationText(migration)}`),
    "",
    ...(copy ? [copy] : []),
    ...remarks,
    blocking === 0 ? "nothing blocks" : `${blocking === 1 ? "1 hazard blocks" : `${blocking} hazards block`}`,
    "",
  ].join("\n");
}

function migrationText(migration: AssessedMigration): string {
  const { name, statements, hazards, notes, touches } = migration;
  return [
    `${name}: ${describeKind(migration)}`,
    ...touches.map((touched) => `  touches ${touched.relation}: ${describeSize(touched)}`),
    ...statements.flatMap(statementLines),
    ...hazards.filter((hazard) => !isBlocking(hazard)).map((hazard) => `  note: ${noteOf(hazard)}`),
    ...notes.map((note) => `  note: ${note}`),
    ...hazards.filter(isBlocking).map(({ message }) => `  blocks: ${message.replaceAll("\n", "\n  ")}`),
  ].join("\n");
}

/** "in a transaction, can be undone". */
export function describeKind({ transactional, reversible }: AssessedMigration): string {
  return `${transactional ? "in a transaction" : "without a transaction"}, ${reversible ? "can be undone" : "cannot be undone"}`;
}

function statementLines(statement: AssessedStatement, index: number): string[] {
  const number = `  ${String(index + 1).padStart(2)}  `;
  const [head = "", ...rest] = dedent(statement.sql).split("\n");
  return [
    `${number}${head}`,
    ...rest.map((line) => `      ${line}`.trimEnd()),
    ...lockLines(statement).map((line) => `      -- ${line}`),
  ];
}

/** What a statement was seen to do to relations that are there already, a line each. */
export function lockLines(statement: AssessedStatement): string[] {
  if (statement.locks === null) return [];
  const locks = statement.locks.filter((lock) => stopsAnybody(lock) || lock.mode === "share update exclusive");
  return [...locks.map((lock) => `lock: ${describeLock(lock)}`), ...describeWork(statement)];
}

/** A text without the indentation that all its lines share; the first one has lost its own already. */
export function dedent(text: string): string {
  const [head = "", ...rest] = text.split("\n");
  const depths = rest.filter((line) => line.trim()).map((line) => line.search(/\S/));
  const depth = depths.length > 0 ? Math.min(...depths) : 0;
  return [head, ...rest.map((line) => line.slice(depth))].join("\n");
}
