import { createHash } from "node:crypto";
import type pg from "pg";
import { UserError } from "../errors.ts";
import { type CriticalQuery, criticalQueries } from "./criticalQueries.ts";
import { schemaDifferences } from "./drift.ts";
import { type MigrationFile, problem } from "./files.ts";
import { fingerprintOf } from "./fingerprint.ts";
import type { Session } from "./session.ts";
import type { RunRecord } from "./steps.ts";
import { lookAtObjects, type ObjectStates, objectFindings } from "./validateObjects.ts";
import {
  defaultQueryLimits,
  lookAtQueries,
  type QueryLimits,
  queryFindings,
  type SeenQuery,
} from "./validateQueries.ts";
import { type CountedTable, type CountLimits, countTables, rowFindings } from "./validateRows.ts";

/** Something that is not as it should be after migrations. */
export interface Finding {
  /** The rule's name, by which a migration accepts it with a reason: `accepts = { "fewer-rows": "…" }`. */
  check:
    | "invalid-index"
    | "constraint-not-validated"
    | "partition-missing"
    | "fewer-rows"
    | "critical-query"
    | "schema";
  /** True: the migrations are not valid. False: it was so before, and is told. */
  fails: boolean;
  what: string;
  why: string;
  fix: string;
}

/** What a database was like before migrations. */
export interface Baseline {
  objects: ObjectStates;
  rows: CountedTable[];
  queries: SeenQuery[];
}

/** How to look, each with a default. */
export interface ValidationOptions {
  queries?: readonly CriticalQuery[];
  limits?: Partial<QueryLimits>;
  counting?: CountLimits;
  /** Months after this one for which partitions must be there. */
  partitionWindow?: number;
}

// Enough to recognise a difference.
const shownDifferences = 10;

/** What an empty database is like. */
export const nothingBefore: Baseline = {
  objects: { invalidIndexes: [], notValidated: [], gaps: [] },
  rows: [],
  queries: [],
};

/** Looks at a database before migrations. Only reads. */
export async function takeBaseline(client: pg.ClientBase, options: ValidationOptions): Promise<Baseline> {
  const { queries = criticalQueries, limits, counting, partitionWindow } = options;
  return {
    objects: await lookAtObjects(client, partitionWindow),
    rows: await countTables(client, counting),
    queries: await lookAtQueries(client, queries, { ...defaultQueryLimits, ...limits }),
  };
}

/**
 * Looks whether a database is as it should be after migrations.
 * @param migrations those that ran since the baseline was taken
 * @param sql their text, as it was sent
 * @param lines the schema now
 * @throws UserError that lists everything that is not as it should be
 */
export async function validate(
  session: Session,
  record: RunRecord,
  { migrations, sql, lines }: { migrations: readonly MigrationFile[]; sql: string; lines: readonly string[] },
  options: ValidationOptions,
): Promise<void> {
  const { client, say } = session;
  const before = record.baseline ?? nothingBefore;
  const found = [
    ...(await schemaFindings(client, keyOf(session, record, migrations), lines)),
    ...objectFindings(before.objects, await lookAtObjects(client, options.partitionWindow)),
    ...(before.rows.length > 0 ? rowFindings(before.rows, await countTables(client, options.counting), sql) : []),
    ...(await queriesAfter(client, before.queries, options)),
  ];
  for (const { what, fix } of found.filter(({ fails }) => !fails)) say(`warning: ${what}. ${fix}`);
  const failures = found.filter(({ fails, check, what }) => {
    const reason = migrations.map(({ actions }) => actions.accepts?.[check]).find(Boolean);
    if (fails && reason) say(`accepted, for "${reason}": ${what}`);
    return fails && !reason;
  });
  if (failures.length > 0)
    throw new UserError(failures.map(({ what, why, fix }) => problem(what, why, fix)).join("\n"));
}

/** A query that is worse is looked at again once its tables are analyzed: a rewritten table has no statistics yet. */
async function queriesAfter(
  client: pg.ClientBase,
  before: readonly SeenQuery[],
  { queries = criticalQueries, limits = {} }: ValidationOptions,
): Promise<Finding[]> {
  if (before.length === 0) return [];
  const all = { ...defaultQueryLimits, ...limits };
  const look = async () => queryFindings(before, await lookAtQueries(client, queries, all, before), all);
  const found = await look();
  if (found.length === 0) return found;
  const tables = [...new Set(queries.flatMap((query) => query.tables))];
  const { rows } = await client.query(
    "select to_regclass('public.' || quote_ident(t))::text as name from unnest($1::text[]) t",
    [tables],
  );
  for (const { name } of rows) if (name) await client.query(`analyze ${name}`);
  return look();
}

/** Whether the same migrations gave the same schema as the last time on the same one, where there was such a time. */
async function schemaFindings(client: pg.ClientBase, key: string, lines: readonly string[]): Promise<Finding[]> {
  const { rows } = await client.query("select fingerprint, lines from deploy.known_result where migrations = $1", [
    key,
  ]);
  if (!rows[0] || rows[0].fingerprint === fingerprintOf(lines)) return [];
  const differences = schemaDifferences(rows[0].lines, lines);
  return [
    {
      check: "schema",
      fails: true,
      what: "the same migrations on the same schema gave another result than before",
      why: ["It differs from that of the last time (-) by (+):", ...differences.slice(0, shownDifferences)].join(
        "\n    ",
      ),
      fix: "Make the migrations give the same each time: no names, and no decisions, by date, by data or by what happens to be there.",
    },
  ];
}

/** Remembers what schema these migrations gave, once it is found valid. */
export async function rememberResult(
  session: Session,
  record: RunRecord,
  migrations: readonly MigrationFile[],
  lines: readonly string[],
): Promise<void> {
  await session.client.query(
    `insert into deploy.known_result (migrations, fingerprint, lines) values ($1, $2, $3)
     on conflict (migrations) do update set (fingerprint, lines, recorded_at) = (excluded.fingerprint, excluded.lines, now())`,
    [keyOf(session, record, migrations), fingerprintOf(lines), lines],
  );
}

function keyOf({ situation }: Session, record: RunRecord, migrations: readonly MigrationFile[]): string {
  const facts = [record.fingerprintBefore, situation.major, migrations.map(({ name, checksum }) => [name, checksum])];
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex");
}
