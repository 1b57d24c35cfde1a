import type pg from "pg";
import { type Connection, withClient } from "../connection.ts";
import { type MigrationFile, problem, readMigrations } from "../migrate/files.ts";
import { assessForPreview } from "../migrate/hazards/preview.ts";
import { makePlan, outOfOrder, readSituation, statementProblems } from "../migrate/plan.ts";
import { lookBefore } from "../migrate/preflight.ts";
import { render, shorthandsUpTo } from "../migrate/render.ts";
import { type NamedFinding, type Snapshot, snapshot } from "../monitor/snapshot.ts";
import type { Overrides } from "../monitor/thresholds.ts";
import { type Conversion, conversions } from "./conversions.ts";

/** What was found before anything is touched. */
export interface Looked {
  pending: MigrationFile[];
  /** What the pending migrations will do, for people. */
  plan: string[];
  /** What must not be so, a text (what, why, fix) for each; empty: it may go on. */
  problems: string[];
  /** The tables to be converted before their migrations, which are too much for one transaction. */
  conversions: Conversion[];
  /** What should be known, and stops nothing. */
  warnings: string[];
  snapshot: Snapshot;
}

// A database in one of these states must not get more work: a critical answer stops the run. What else is critical, as
// partitions that are missing, is what the run and the maintenance after it are for.
const stopping = new Set(["locks", "transactions", "connections", "wraparound", "sizes", "sequences"]);

// A look must hang on nothing: seconds are enough to read a catalog.
const reading = { applicationName: "postgres-from-code apply-all", connectTimeout: 10_000, statementTimeout: 30_000 };

/** Looks at the database and the migrations as `up` does before it changes anything. It only reads. */
export async function lookFirst(
  connection: Connection,
  { directory, limits, say }: { directory: string; limits: Overrides; say: (line: string) => void },
): Promise<Looked> {
  const files = await readMigrations(directory);
  return withClient(connection, reading, async (client) => {
    const taken = await snapshot(client, { limits });
    await client.query("set default_transaction_read_only to on");
    const situation = await readSituation(client);
    const { pending, problems: drift } = makePlan(directory, files, situation);
    const critical = taken.findings.filter(
      ({ severity, question }) => severity === "critical" && stopping.has(question),
    );
    // Only who migrates has to wait for a better time.
    const before = pending.length > 0 ? await lookBefore(client, connection, [], say) : [];
    const problems = [
      ...drift,
      ...outOfOrder(files, pending),
      ...(await statementProblems(files, pending)),
      ...(situation.applied.length === 0 ? await unrecorded(client, directory, files) : []),
      ...critical.map(textOf),
      ...before.filter(({ stops }) => stops).map(textOf),
    ];
    const assessed =
      problems.length === 0 ? await assessForPreview({ connection, situation, reading, files, pending }) : undefined;
    const blocked = assessed?.blocked ?? [];
    const needed = conversions.filter(({ migration }) => blocked.some((each) => each.migration === migration));
    const stuck = blocked.filter(({ migration }) => !needed.some((each) => each.migration === migration));
    return {
      pending,
      conversions: needed,
      plan: assessed?.lines ?? pending.map(({ name }) => `pending: ${name}`),
      problems: [...problems, ...stuck.map(({ message }) => message)],
      warnings: before.filter(({ stops }) => !stops).map(({ what, why }) => `${what}. ${why}`),
      snapshot: taken,
    };
  });
}

/**
 * A team's tables that the first migration would make: it would fail, and whether they are the same only the team knows.
 * node-pg-migrate's --fake records it, and the next run goes on from there.
 */
async function unrecorded(client: pg.Client, directory: string, files: readonly MigrationFile[]): Promise<string[]> {
  const [first] = files;
  if (!first) return [];
  const { statements } = await render(first, "up", shorthandsUpTo(files, first.name));
  const names = statements.flatMap(({ text }) =>
    [...text.matchAll(/\bcreate\s+table\s+([\w."]+)/gi)].map(([, name]) => name),
  );
  const { rows } = await client.query<{ name: string }>(
    "select name from unnest($1::text[]) as name where to_regclass(name) is not null",
    [names],
  );
  if (rows.length === 0) return [];
  const found = rows.map(({ name }) => name).join(", ");
  return [
    problem(
      `there are tables of ${first.name} already, and no migration is recorded as applied: ${found}`,
      "It cannot make them again.",
      `If they are as ${first.file} makes them, record it as applied, and run this again: npx node-pg-migrate up 1 --fake --migrations-dir ${directory}. Otherwise make a migration that says what you have, and number it first.`,
    ),
  ];
}

const textOf = ({ what, why, fix }: Pick<NamedFinding, "what" | "why" | "fix">) => problem(what, why, fix);
