import { type Connection, withClient } from "../connection.ts";
import { criticalQueries } from "../migrate/criticalQueries.ts";
import { readMigrations } from "../migrate/files.ts";
import { makePlan, readSituation } from "../migrate/plan.ts";
import { nothingBefore } from "../migrate/validate.ts";
import { lookAtObjects, objectFindings } from "../migrate/validateObjects.ts";
import { defaultQueryLimits, lookAtQueries, type SeenQuery } from "../migrate/validateQueries.ts";
import { type CountedTable, countTables } from "../migrate/validateRows.ts";

/** Something that is not as it should be. */
export interface Fault {
  what: string;
  why?: string;
  fix: string;
}

/** What was validated, and how it is. Plain data: JSON takes it as it is. */
export interface ValidationResults {
  version: 1;
  /** An ISO time in UTC. */
  takenAt: string;
  database: string;
  head: string | null;
  /** SHA-256 of the schema, in hex. */
  fingerprint: string;
  passed: boolean;
  checks: { name: string; title: string; passed: boolean; faults: Fault[] }[];
  /** The application's most important queries, each with the indexes that its plan uses. */
  queries: Pick<SeenQuery, "name" | "indexes" | "milliseconds">[];
  tables: Pick<CountedTable, "table" | "rows" | "exact">[];
}

/** What is validated, by the names of its findings. */
const objectChecks = {
  "invalid-index": "Is every index valid?",
  "constraint-not-validated": "Is every constraint validated?",
  "partition-missing": "Are the partitions of the next months there?",
} as const;

/** Looks whether the schema is that of the migrations, and everything in it as it should be. It only reads. */
export function validateNow(connection: Connection, directory: string): Promise<ValidationResults> {
  return withClient(connection, { applicationName: "postgres-from-code apply-all" }, async (client) => {
    await client.query("set default_transaction_read_only to on; set lock_timeout to '5s'");
    const takenAt = new Date().toISOString();
    const situation = await readSituation(client);
    const files = await readMigrations(directory);
    const { pending, problems } = makePlan(directory, files, situation);
    // What a migration takes on, with its reason, is as it should be.
    const accepted = (name: string) => files.some(({ actions }) => actions.accepts?.[name]);
    const objects = objectFindings(nothingBefore.objects, await lookAtObjects(client));
    const queries = await lookAtQueries(client, criticalQueries, defaultQueryLimits);
    const tables = await countTables(client);
    const check = (name: string, title: string, faults: Fault[]) => ({
      ...{ name, title, passed: faults.length === 0, faults },
    });
    const checks = [
      check("migrations", "Is the schema that of all migrations?", [
        ...pending.map(({ name }) => ({ what: `${name} is not applied`, fix: "toolkit apply-all" })),
        ...problems.map(faultOf),
      ]),
      ...Object.entries(objectChecks).map(([name, title]) =>
        check(
          name,
          title,
          objects
            .filter((found) => found.check === name && !accepted(name))
            .map(({ what, why, fix }) => ({ what, why, fix })),
        ),
      ),
      check(
        "critical-queries",
        `Are the most important queries answered within ${defaultQueryLimits.timeout / 1_000} s?`,
        queries.filter(({ milliseconds }) => milliseconds === null).map(tooSlow),
      ),
    ];
    return {
      ...{ version: 1, takenAt, database: connection.database },
      ...{ head: situation.applied.at(-1) ?? null, fingerprint: situation.fingerprint },
      ...{ passed: checks.every(({ passed }) => passed), checks },
      queries: queries.map(({ name, indexes, milliseconds }) => ({ name, indexes, milliseconds })),
      tables: tables.map(({ table, rows, exact }) => ({ table, rows, exact })),
    };
  });
}

const tooSlow = ({ name }: SeenQuery): Fault => ({
  what: `the query ${name} takes longer than ${defaultQueryLimits.timeout / 1_000} s`,
  why: "The application waits for it.",
  fix: "Look for an index that it lacks: toolkit advise; or why it has to wait: toolkit check.",
});

/** A problem as the plan tells it: what, why and fix on lines of their own. */
function faultOf(text: string): Fault {
  const [what = "", ...rest] = text.split("\n");
  const fix = rest.find((line) => line.startsWith("  fix: "))?.slice("  fix: ".length);
  return { what, why: rest.join("\n"), fix: fix ?? "toolkit plan tells more." };
}
