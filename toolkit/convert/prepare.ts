import type pg from "pg";
import { UserError } from "../errors.ts";
import { createTriggers, drainingFunction, loggingFunction } from "./functions.ts";
import { ensureJournal, startConversion } from "./journal.ts";
import { type Names, namesFor } from "./names.ts";
import { type Session, withinLockBudget } from "./session.ts";
import type { Part, Shape } from "./shape.ts";

/**
 * Makes the empty partitioned table, the log of changes and the triggers that fill it, all in one transaction: a killed
 * run leaves all or nothing. CREATE TRIGGER takes SHARE ROW EXCLUSIVE on the plain table, last of all: once it is had, no
 * writer is half-way, so that every row is either there for the copy to see or in the log.
 * @see https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
 */
export async function prepare(session: Session, shape: Shape, column: string): Promise<void> {
  const { client } = session;
  const names = namesFor(shape);
  await ensureJournal(client);
  await refuseNamesInUse(client, names);
  await withinLockBudget(session, "make the triggers that log changes", async () => {
    await client.query(shadowTable(names, shape));
    await client.query(changesTable(names, shape));
    await client.query(loggingFunction(names, shape) + drainingFunction(names, shape));
    await client.query(createTriggers(names, names.live));
    await startConversion(client, shape, column, names.shadow);
  });
}

async function refuseNamesInUse(client: pg.ClientBase, names: Names): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    "select name from unnest($1::text[]) as name where to_regclass(name) is not null",
    [[names.shadow, names.kept, names.changes]],
  );
  if (rows.length > 0)
    throw new UserError(`there is a ${rows.map(({ name }) => name).join(", ")} already`, {
      why: "The conversion would use that name.",
      fix: "Rename or drop it, if nobody needs it.",
    });
}

/** The partitioned table as SQL: columns, defaults, checks, key and indexes. Foreign keys come when rows are there. */
function shadowTable({ shadow, live }: Names, shape: Shape): string {
  const columns = shape.columns.map(({ name, type, collation, notNull, default: value }) =>
    [name, type, collation && `collate ${collation}`, notNull && "not null", value && `default ${value}`]
      .filter(Boolean)
      .join(" "),
  );
  const checks = shape.checks.map(({ name, definition }) => `constraint ${name} ${definition}`);
  const key = `constraint ${shape.primaryKeyName} primary key (${shape.key.join(", ")})`;
  const isConstraint = ({ definition }: Part) => definition.startsWith("UNIQUE");
  const unique = shape.indexes.filter(isConstraint).map(({ name, definition }) => `constraint ${name} ${definition}`);
  const indexes = shape.indexes.filter((index) => !isConstraint(index));
  return `
    create table ${shadow} (
      ${[...columns, ...checks, key, ...unique].join(",\n      ")}
    ) partition by range (${shape.date});
    ${indexes.map(({ definition }) => `${onTable(definition, live, shadow)};`).join("\n    ")}`;
}

/** An index's definition, on another table. pg_get_indexdef always names the schema. */
function onTable(definition: string, live: string, table: string): string {
  const [start, ...rest] = definition.split(" USING ");
  const head = start!.slice(0, start!.lastIndexOf(" ON "));
  if (rest.length === 0 || !head)
    throw new Error(`the definition of an index of ${live} is not understood: ${definition}`);
  return `${head} on ${table} using ${rest.join(" USING ")}`;
}

function changesTable({ changes }: Names, { key, columns }: Shape): string {
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  return `create table ${changes} (
    change_number bigint generated always as identity primary key,
    ${key.map((name) => `${name} ${types.get(name)}`).join(", ")}
  )`;
}
