import type { Reading } from "./reading.ts";

/** A hazard in words, before anything is known of sizes. */
export interface Advice {
  /** What the statement does and whom that stops, without a full stop; TABLE stands for the table and its size. */
  danger: string;
  /** Why, whole sentences. */
  why: string;
  /** What to do instead, a whole sentence. */
  fix: string;
  /** The safe code to paste. */
  code?: string[];
}

/** What an advice may use. */
export interface Context {
  reading: Reading;
  /** The table as the statement names it. */
  table: string;
  /** What squawk points at. */
  clause: string;
  /** The migration before this one, where it is pending as well. */
  before?: string | undefined;
}

type Advise = (context: Context) => Advice;

const word = String.raw`("(?:[^"]|"")+"|[\w$]+)`;
const first = (text: string, pattern: string) => new RegExp(pattern, "i").exec(text)?.[1];
const oneLine = (text: string) => text.replace(/\s+/g, " ").trim();

const alone = "Alone in its migration, which calls pgm.noTransaction()";

/** CREATE INDEX with a name, without which a build that was killed could not be found again. */
function named(code: string, table: string): string {
  const columns = first(code, String.raw`\(([^()]*)\)`)?.match(/[\w$]+/g) ?? [];
  const name = [table.replace(/^.*\./, "").replaceAll('"', ""), ...columns, "idx"].join("_");
  return code.replace(/\bindex (concurrently )?on\b/i, `index $1${name} on`);
}

/** The name that PostgreSQL or the author gives a constraint. */
function constraintName({ reading, table, clause }: Context, suffix: string): string {
  const named = first(clause, `constraint\\s+${word}`) ?? first(reading.code, `constraint\\s+${word}`);
  return named ?? `${table.replace(/^.*\./, "").replaceAll('"', "")}_${suffix}`;
}

function notValid(context: Context, definition: string, suffix: string): string[] {
  const name = constraintName(context, suffix);
  return [
    "-- one migration",
    `alter table ${context.table} add constraint ${name} ${definition} not valid;`,
    "-- the next one",
    `alter table ${context.table} validate constraint ${name};`,
  ];
}

/** Adds a key by way of an index that is built while the application writes. */
function byIndex(context: Context, kind: "unique" | "primary key"): string[] {
  const { table, clause, reading } = context;
  const columns = first(clause, String.raw`(\([^)]*\))`) ?? first(reading.code, String.raw`${kind}\s*(\([^)]*\))`);
  const name = constraintName(context, kind === "unique" ? "key" : "pkey");
  return [
    "-- one migration, which calls pgm.noTransaction()",
    `create unique index concurrently ${name} on ${table} ${columns ?? "(…)"};`,
    "-- the next one",
    `alter table ${table} add constraint ${name} ${kind} using index ${name};`,
  ];
}

/** Our words for the rules whose safe code we know; the others speak in squawk's. */
export const advices: Readonly<Record<string, Advise>> = {
  "require-concurrent-index-creation": ({ reading, table }) => ({
    danger: "building an index on TABLE blocks writes to it until the index is complete",
    why: "CREATE INDEX holds a share lock while it reads the whole table.",
    fix: `Build it concurrently. ${alone}`,
    code: [`${named(reading.code, table).replace(/\bindex\b( concurrently)?/i, "index concurrently")};`],
  }),
  "require-concurrent-index-deletion": ({ reading }) => ({
    danger: "dropping an index of TABLE blocks reads and writes of it while it waits for running queries",
    why: "DROP INDEX takes an access exclusive lock on the table; everybody who comes later queues behind it.",
    fix: `Drop it concurrently. ${alone}`,
    code: [`${reading.code.replace(/\bindex\b( concurrently)?/i, "index concurrently")};`],
  }),
  "require-concurrent-reindex": ({ reading }) => ({
    danger:
      "building indexes of TABLE again blocks writes to it, and reads that would use them, until that is complete",
    why: "REINDEX holds a share lock on the table and an access exclusive lock on the index.",
    fix: `Build them concurrently. ${alone}`,
    code: [`${reading.code.replace(/\b(index|table)\b( concurrently)?/i, "$1 concurrently")};`],
  }),
  "require-concurrent-partition-detach": ({ reading }) => ({
    danger: "detaching a partition of TABLE blocks reads and writes of the whole table",
    why: "DETACH PARTITION takes an access exclusive lock on the partitioned table.",
    fix: `Detach it concurrently. ${alone}`,
    code: [`${reading.code} concurrently;`],
  }),
  "adding-not-nullable-field": ({ table, reading }) => {
    const column = first(reading.code, `alter (?:column )?${word} set not null`) ?? "COLUMN";
    const name = `${table.replace(/^.*\./, "").replaceAll('"', "")}_${column.replaceAll('"', "")}_not_null`;
    return {
      danger: `setting ${column} not null on TABLE blocks reads and writes of it while every row is checked`,
      why: "SET NOT NULL reads the whole table under an access exclusive lock, unless a validated constraint proves it.",
      fix: "Prove it first by a constraint, which is validated while the application writes.",
      code: [
        "-- one migration",
        `alter table ${table} add constraint ${name} check (${column} is not null) not valid;`,
        "-- the next one",
        `alter table ${table} validate constraint ${name};`,
        "-- the last one",
        `alter table ${table} alter column ${column} set not null;`,
        `alter table ${table} drop constraint ${name};`,
      ],
    };
  },
  "changing-column-type": ({ table, reading }) => {
    const column = first(reading.code, `alter (?:column )?${word} (?:set data )?type`) ?? "COLUMN";
    const type = first(reading.code, String.raw`\btype (.+?)(?: using .*)?(?:,|$)`) ?? "TYPE";
    return {
      danger: `changing the type of ${column} on TABLE blocks reads and writes of it while it is written anew`,
      why: "ALTER COLUMN TYPE writes every row and builds every index again, under an access exclusive lock.",
      fix: "Add a second column, fill it in batches, and let the application change over.",
      code: [
        "-- one migration; the application then writes both columns",
        `alter table ${table} add column ${column.replaceAll('"', "")}_new ${type};`,
        "-- then, in batches of some thousand rows",
        `update ${table} set ${column.replaceAll('"', "")}_new = ${column} where …;`,
        "-- once the application reads the new column only",
        `alter table ${table} drop column ${column};`,
      ],
    };
  },
  "constraint-missing-not-valid": (context) => {
    const definition = first(oneLine(context.clause), String.raw`((?:check|exclude|unique|foreign)\b.*)$`);
    return {
      danger: "adding a constraint to TABLE blocks reads and writes of it while every row is checked",
      why: "ADD CONSTRAINT reads the whole table under an access exclusive lock.",
      fix: "Add it without looking at the rows that are there, then validate it while the application writes.",
      code: notValid(context, definition ?? "…", "check"),
    };
  },
  "adding-foreign-key-constraint": (context) => {
    const definition = first(oneLine(context.clause), String.raw`((?:foreign key|references)\b.*)$`) ?? "…";
    return {
      danger:
        "adding a foreign key to TABLE blocks writes to it and to the table it refers to while every row is checked",
      why: "ADD FOREIGN KEY reads the whole table under a share row exclusive lock on both tables.",
      fix: "Add it without looking at the rows that are there, then validate it while the application writes.",
      code: notValid(context, /^references/i.test(definition) ? `foreign key (…) ${definition}` : definition, "fkey"),
    };
  },
  "disallowed-unique-constraint": (context) => ({
    danger: "adding a unique constraint to TABLE blocks reads and writes of it until its index is built",
    why: "ADD UNIQUE builds the index under an access exclusive lock.",
    fix: "Build the index concurrently, then make the constraint of it.",
    code: byIndex(context, "unique"),
  }),
  "adding-serial-primary-key-field": (context) => ({
    danger: "adding a primary key to TABLE blocks reads and writes of it until its index is built",
    why: "ADD PRIMARY KEY builds the index, and checks for nulls, under an access exclusive lock.",
    fix: "Build the index concurrently, then make the key of it (its columns should be NOT NULL before).",
    code: byIndex(context, "primary key"),
  }),
  "adding-field-with-default": ({ table, reading }) => {
    const column = first(reading.code, `add (?:column )?(?:if not exists )?${word}`) ?? "COLUMN";
    return {
      danger: `adding the column ${column} to TABLE blocks reads and writes of it while it is written anew`,
      why: "A default that is not constant, or a stored generated column, is worked out for every row at once.",
      fix: "Add the column without it, set the default for rows to come, and fill the others in batches.",
      code: [
        `alter table ${table} add column ${column} …;`,
        `alter table ${table} alter column ${column} set default …;`,
        "-- then, in batches of some thousand rows",
        `update ${table} set ${column} = … where ${column} is null and …;`,
      ],
    };
  },
  "prefer-repack": () => ({
    danger: "writing TABLE anew blocks reads and writes of it until that is complete",
    why: "VACUUM FULL and CLUSTER copy the table under an access exclusive lock.",
    fix: "Let plain VACUUM reuse the space, or use the extension pg_repack where it is really needed.",
  }),
  "concurrently-in-transaction": ({ reading }) => ({
    danger: "what PostgreSQL does concurrently on TABLE does not run inside a transaction",
    why: "It consists of several transactions itself, and node-pg-migrate opens one for the migration.",
    fix: `Put it into a migration of its own. ${alone}`,
    code: [`${reading.code};`],
  }),
  "update-without-where": ({ table }) => ({
    danger: "updating every row of TABLE at once locks all of them until the migration is committed",
    why: "Whoever writes one of them waits, the table doubles in size, and replicas fall behind.",
    fix: "Update in batches, each with a transaction of its own, outside the migration.",
    code: [`update ${table} set … where id between $1 and $1 + 9999;`],
  }),
  "delete-without-where": ({ table }) => ({
    danger: "deleting every row of TABLE at once locks all of them until the migration is committed",
    why: "Every row is written to mark it as deleted, and the space stays until VACUUM.",
    fix: "Delete in batches outside the migration; if the table may stand still for a moment, truncate it.",
    code: [`delete from ${table} where id between $1 and $1 + 9999;`],
  }),
  "refresh-materialized-view": ({ table }) => ({
    danger: "refreshing TABLE blocks reads of it until its query has run",
    why: "REFRESH MATERIALIZED VIEW holds an access exclusive lock while it fills the view.",
    fix: "Refresh it concurrently, which takes a unique index on the view.",
    code: [`refresh materialized view concurrently ${table};`],
  }),
  "copies-whole-table": ({ table, before }) => ({
    danger: "copying TABLE inside one transaction keeps an old snapshot open until all of it is copied",
    why: "VACUUM cannot clean anywhere in the database meanwhile, and rows written to the table later are not copied.",
    fix: "Copy in batches while the application runs; from a plain table to monthly partitions `toolkit apply-all` does it, or step by step",
    code: [
      ...(before ? [`npm run up -- -c database:migrateTo=${before}`] : []),
      `npm run toolkit -- partition ${table}`,
      `npm run up${before ? " -- -c database:migrateTo=" : ""}`,
    ],
  }),
  "detach-concurrently-with-default-partition": ({ reading }) => ({
    danger: "detach partition concurrently does not run on TABLE, which has a default partition",
    why: "PostgreSQL refuses it: rows of the detached range could arrive in the default partition meanwhile.",
    fix: "Detach it plainly, for the moment that takes, or do without the default partition.",
    code: [`${reading.code.replace(/ concurrently$/i, "")};`],
  }),
  "rewrites-table": () => ({
    danger: "writing TABLE anew blocks reads and writes of it until that is complete",
    why: "Seen on an empty copy of the schema: the table got a new file, under the lock shown with the statement.",
    fix: "Change it in a way that leaves the rows where they are, such as a second column that is filled in batches.",
  }),
  "scans-table": () => ({
    danger: "checking every row of TABLE blocks writes to it until all of it is read",
    why: "Seen on an empty copy of the schema: the rows are checked under the lock shown with the statement.",
    fix: "Add the constraint as NOT VALID in one migration and validate it in the next.",
  }),
  "builds-index": () => ({
    danger: "building an index on TABLE blocks writes to it until the index is complete",
    why: "Seen on an empty copy of the schema: the index is built under the lock shown with the statement.",
    fix: `Build the index concurrently. ${alone}.`,
  }),
};
